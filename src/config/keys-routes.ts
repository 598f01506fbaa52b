import { parseOrigin, parseUpstream } from './address.ts'
import { duration } from './duration.ts'
import { headerSpec } from './headers.ts'
import { parseHostPattern } from './host.ts'
import { bad, good, type Parsed } from './outcome.ts'
import { parsePath, parseRoutePath } from './path.ts'
import { itemsOf, quote, showRaw } from './raw.ts'
import { defaulted, type Keys, optional, required, type Table } from './table.ts'
import type { Allow } from './types.ts'
import { list, parsed, type Type, text } from './value.ts'

const host = parsed(
  { label: 'host', expected: 'a host such as "app.example.com" or "*.example.com"' },
  parseHostPattern,
)
const routePath = parsed({ label: 'path', expected: 'a path such as "/app"' }, parseRoutePath)
const path = parsed({ label: 'path', expected: 'a path such as "/app"' }, parsePath)
const upstream = parsed(
  { label: 'address', expected: 'an address such as "http://app:3000" or "unix:/run/app.sock"' },
  parseUpstream,
)
const origin = parsed({ label: 'origin', expected: 'an origin such as "https://app.example.com"' }, parseOrigin)
const method = parsed({ label: 'method', expected: 'a method such as "GET"' }, parseMethod)

/** Methods are case-sensitive (RFC 9110 §9.1), and all that are forwarded are upper-case. */
function parseMethod(name: string): Parsed<string> {
  const upper = name.toUpperCase()
  if (!/^[A-Z][A-Z-]*$/.test(upper))
    return bad('method.invalid', `${quote(name)} is not a method`, 'as in methods = ["GET", "HEAD"]')
  if (upper === 'TRACE' || upper === 'CONNECT') {
    return bad('method.invalid', `${upper} is never forwarded`, 'leave it out')
  }
  return good(upper)
}

const allowed = list(text('a role\'s name, "public" or "authenticated"'), {
  single: true,
  emptyHint: 'for everyone: "public"; for all who are signed in: "authenticated"; else name roles',
})

const allow: Type<Allow> = {
  ...allowed,
  label: '`"public"`, `"authenticated"`, or list of roles',
  read(raw, report) {
    const names = allowed.read(raw, report)
    if (names === undefined) return undefined
    const special = names.find(name => name === 'public' || name === 'authenticated')
    if (special === undefined) return { kind: 'roles', roles: names }
    if (names.length === 1) return { kind: special === 'public' ? 'public' : 'authenticated' }
    const place = itemsOf(raw).find(item => item.kind === 'text' && item.text === special) ?? raw
    const hint =
      special === 'public'
        ? 'public lets everyone in, with or without a role; keep one of them'
        : 'authenticated lets in everyone who is signed in; keep one of them'
    report.mistake(place.at, 'allow.mixed', `${showRaw(place)} cannot be mixed with roles`, { hint })
    return undefined
  },
}

/** `[[routes]]`: one host and path, where it leads, and who may pass. */
export const ROUTE = {
  host: required(
    host,
    'app.example.com',
    'The host, exact or `*.example.com`; an exact one comes first, then the longest wildcard.',
  ),
  path: defaulted(
    routePath,
    '/',
    '/api',
    'The path and everything below it, at segment boundaries; the longest path of a host wins.',
  ),
  upstream: required(
    list(upstream, { single: true }),
    'http://app:3000',
    'Where the application answers: `http://`, `https://` or `unix:/path`. A list shares the load.',
  ),
  portal: optional(
    text(),
    'home',
    'none',
    'The portal where people sign in for this route; needed unless `allow` is `"public"`.',
  ),
  allow: required(allow, ['user'], "Who may pass: any one of these of the portal's roles is enough."),
  methods: optional(
    list(method, { single: true }),
    ['GET', 'HEAD'],
    'all',
    'Methods that are served; others are answered with 405.',
  ),
  strip_prefix: optional(path, '/api', 'nothing', 'A part of `path` that the application does not see.'),
  headers: defaulted(
    headerSpec,
    'none',
    'x-token',
    'How the application learns who is there: a preset, or a table such as `{ X-User = "{name} <{email}>" }`. Whatever a client sends in these fields is removed.',
  ),
  timeout: defaulted(duration('1ms', '24h'), '60s', '5m', 'How long the application may take to begin its answer.'),
  allowed_origins: defaulted(
    list(origin, { single: true, mayBeEmpty: true }),
    [],
    ['https://app.example.com'],
    "Origins besides the route's own whose pages may open WebSockets here.",
  ),
  name: optional(text(), 'Uptime Kuma', 'host and path', 'What people see in the list of their applications.'),
} as const satisfies Keys

export type RouteTable = Table<typeof ROUTE>
