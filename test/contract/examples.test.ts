import { expect } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse, stringify, TomlDate } from 'smol-toml'
import { checkConfig } from '../../src/config/check.ts'
import { SECTIONS } from '../../src/config/keys/keys.ts'
import { parseRaw } from '../../src/config/text/raw.ts'
import { createReport } from '../../src/config/text/report.ts'
import { readUsers } from '../../src/config/values/users-file.ts'
import { askedOfProvider, unstatedClaims } from '../../src/policy/required-claims.ts'
import { makeAuthority } from '../kit/certificates.ts'
import { needs } from '../kit/needs.ts'
import { discoveryOf } from '../kit/provider/pocket-id/discovery.ts'
import { ROOT_TABLES } from '../kit/toml.ts'

const { test } = needs('openssl')

/** What is shown of routes.toml is tried here as `check` tries it: a part of a file in a file that has the rest. */
const ROOT = join(import.meta.dir, '../..')
const DOCUMENTS = ['README.md', ...readdirSync(join(ROOT, 'docs')).filter(isMarkdown).map(inDocs)]

type Table = Readonly<Record<string, unknown>>

const POCKET_ID = 'https://id.example.com'

/** What an example leaves out. */
const REST: Table = {
  providers: { 'pocket-id': { issuer: POCKET_ID, client_id: 'sallyport', client_secret: 'a secret' } },
  portals: {
    home: {
      url: 'https://auth.example.com',
      providers: ['pocket-id'],
      roles: {
        user: { any: true },
        admin: { groups: ['admins'] },
        family: { groups: ['family'] },
        ops: { groups: ['ops'] },
      },
    },
  },
  routes: [{ host: 'app.example.com', upstream: 'http://app:3000', portal: 'home', allow: ['user'] }],
}

/** Files that examples name, by the end of their paths. */
const authority = makeAuthority()
const { cert, key } = authority.issue('DNS:*.example.com,DNS:*.other.example,DNS:example.com')
const FILES: readonly (readonly [end: string, text: string])[] = [
  ['internal-ca.pem', authority.cert],
  ['key.pem', key],
  ['privkey.pem', key],
  ['.pem', cert],
  ['.htpasswd', 'ada:$2y$10$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqS\n'],
  [
    'users.toml',
    '[[users]]\nid = "id-of-ada"\nname = "ada"\nhash = "$2y$10$abcdefghijklmnopqrstuuVYVvCVmZNqhpgWzXvWoK2gXkzC4kCqS"\n',
  ],
  ['.totp', 'ada:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n'],
  ['.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
  ['oidc', 'a secret'],
  ['client-secret', 'a secret'],
  ['tsig', Buffer.alloc(32, 5).toString('base64')],
  ['eab-key', 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG4'],
  ['sallyport-key', Buffer.alloc(32, 7).toString('base64')],
  ['new-key', Buffer.alloc(32, 8).toString('base64')],
  ['old-key', Buffer.alloc(32, 9).toString('base64')],
]

function isMarkdown(name: string): boolean {
  return name.endsWith('.md')
}

function inDocs(name: string): string {
  return `docs/${name}`
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TomlDate)
}

/** Two tables as one; the second one's word counts, and a list is one word. */
function merge(some: Table, others: Table): Table {
  const merged: Record<string, unknown> = { ...some }
  for (const [name, value] of Object.entries(others)) {
    const before = merged[name]
    merged[name] = isTable(before) && isTable(value) ? merge(before, value) : value
  }
  return merged
}

/** A whole file around an example. Keys that stand in no table are a route's. */
function complete(example: Table, rest: Table = REST): Table {
  const bare = Object.entries(example).filter(([name]) => !ROOT_TABLES.includes(name))
  const tables = Object.fromEntries(Object.entries(example).filter(([name]) => ROOT_TABLES.includes(name)))
  const [route] = rest.routes as readonly Table[]
  return merge(rest, bare.length === 0 ? tables : { ...tables, routes: [merge(route ?? {}, Object.fromEntries(bare))] })
}

/** The mistakes that `check` finds in a file. Its warnings are of what an example leaves out. */
function mistakes(file: Table): readonly string[] {
  const result = judge(file)
  if (result.ok) return []
  return result.diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message)
}

function judge(file: Table): ReturnType<typeof checkConfig> {
  const bytesOf = (path: string) => {
    const text = FILES.find(([end]) => basename(path).endsWith(end))?.[1]
    if (text === undefined) throw Object.assign(new Error(`no ${path}`), { code: 'ENOENT' })
    return Buffer.from(text)
  }
  return checkConfig(stringify(file), {
    file: join(ROOT, 'routes.toml'),
    readText: path => bytesOf(path).toString(),
    readBytes: bytesOf,
    listFolder: () => [],
    env: name => (name.startsWith('SALLYPORT_') ? undefined : `the value of ${name}`),
    now: Date.now,
  })
}

/** What an example's rules need of a sign-in that neither version of Pocket ID lists. */
function unstated(file: Table): readonly string[] {
  const result = judge(file)
  if (!result.ok) return []
  return (['2.9', '2.14'] as const).flatMap(version =>
    [...result.config.providers.values()]
      .filter(({ issuer }) => issuer === POCKET_ID)
      .flatMap(({ name }) =>
        unstatedClaims(discoveryOf(version, POCKET_ID, POCKET_ID, 'ES256'), askedOfProvider(result.config, name)),
      )
      .map(({ key }) => `${key} at Pocket ID ${version}`),
  )
}

for (const document of DOCUMENTS) {
  const text = readFileSync(join(ROOT, document), 'utf8')
  const fences = [...text.matchAll(/^( *)```toml\n([\s\S]*?)^ *```$/gm)]
  for (const [index, [, indent = '', body = '']] of fences.entries()) {
    if (body.startsWith('[[users]]')) {
      test(`${document}: example ${index + 1} is a good users.toml`, () => {
        const { entries, faults } = readUsers('users.toml', body)
        expect([faults, entries.size]).toEqual([[], 1])
      })
      continue
    }
    test(`${document}: example ${index + 1} of routes.toml passes check`, () => {
      const example = parse(body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
      expect(mistakes(complete(example))).toEqual([])
      expect(unstated(complete(example))).toEqual([])
    })
  }
}

/** Where a key may stand that is named by itself, each in a file in which it means something. */
const PLACES: readonly ((key: Table) => Table)[] = [
  top => top,
  server => ({ server }),
  tls => ({ server: { listen: ['0.0.0.0:80'] }, tls: { certificates: [{ cert: 'a.pem', key: 'key.pem' }], ...tls } }),
  acme => ({ server: { listen: ['0.0.0.0:80'] }, tls: { acme: { email: 'me@example.com', ...acme } } }),
  sessions => ({ sessions }),
  provider => ({ providers: { 'pocket-id': provider } }),
  secretless => ({ providers: { 'pocket-id': { client_secret: undefined, ...secretless } } }),
  oauth2 => ({ providers: { 'pocket-id': { issuer: undefined, ...OAUTH2, ...oauth2 } } }),
  home => ({ portals: { home } }),
  route => ({ portals: { home: { htpasswd: 'people.htpasswd' } }, routes: [{ ...ROUTE, ...route }] }),
  byItsAddress => ({ routes: [{ ...ROUTE, host_header: 'upstream', ...byItsAddress }] }),
  ({ verify }) => ({ routes: [{ ...ROUTE, upstream: undefined, verify }], ...VERIFY }),
  basic_auth => ({ upstreams: { a: { to: 'http://a', basic_auth: { user: 'a', password: 'b', ...basic_auth } } } }),
  user => ({ portals: { home: { roles: { user: { groups: ['a'], ...user } } } } }),
  rule => ({
    portals: { home: { htpasswd: 'people.htpasswd', guest_links: { allow: ['user'] } } },
    routes: [{ ...ROUTE, allow: ['user', { networks: ['10.0.0.0/8'], ...rule }] }],
  }),
]

const OAUTH2: Table = {
  authorization_endpoint: 'https://a.example/authorize',
  token_endpoint: 'https://a.example/token',
  user_endpoint: 'https://a.example/user',
}

const VERIFY: Table = { server: { trusted_proxies: ['10.0.0.2'], verify: '10.0.0.1:9080' } }
const ROUTE: Table = { host: '*.example.com', upstream: 'http://a', portal: 'home', allow: ['user'] }

for (const document of DOCUMENTS) {
  const prose = readFileSync(join(ROOT, document), 'utf8').replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
  const keys = [...prose.matchAll(/(?<!`)`(\w+ = (?!value`)[^`…]+)`(?!`)/g)].map(([, key = '']) => key)
  test.each([...new Set(keys)])(`${document}: \`%s\` passes check, in one place or another`, key => {
    const found = PLACES.map(place => mistakes(complete(place(parse(key)))))
    expect(found.some(({ length }) => length === 0) || found).toBe(true)
  })
}

test('docs/keys.md: the example of every key is a value that the key takes', () => {
  const refused = SECTIONS.flatMap(({ title, keys }) =>
    Object.entries(keys).flatMap(([name, { type, example }]) => {
      // A secret is not read before it is known.
      if (JSON.stringify(example).includes('${')) return []
      const report = createReport()
      const raw = parseRaw(example, [name])
      const value = raw.ok ? type.read(raw.value, report) : undefined
      return value === undefined || report.problems.length > 0 ? [`${title} ${name}`] : []
    }),
  )
  expect(refused).toEqual([])
})
