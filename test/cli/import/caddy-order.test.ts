import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseToml } from '../../../src/config/parse.ts'
import { imported } from './imported.ts'

/** A site in the few words that decide who has to sign in where. */
interface Part {
  readonly kind: 'authorize' | 'reverse_proxy' | 'handle' | 'route'
  readonly path: string
  /** What is in a handle or a route. */
  readonly parts: readonly Part[]
}

const PATHS = ['', '/a/*', '/a/b/*', '/c/*']
const REQUESTS = ['/', '/a', '/a/x', '/a/b', '/a/b/x', '/c', '/c/x', '/d']

function write(parts: readonly Part[]): string {
  return parts
    .map(part => {
      switch (part.kind) {
        case 'authorize':
          return `authorize ${part.path} with users\n`
        case 'reverse_proxy':
          return `reverse_proxy ${part.path} app:1\n`
        default:
          return `${part.kind} ${part.path} {\n${write(part.parts)}}\n`
      }
    })
    .join('')
}

/** Where Caddy puts each directive, but in a `route`. */
const ORDER = ['authorize', 'handle', 'route', 'reverse_proxy']

/** What becomes of a request in Caddy: whether somebody answers, and whether whoever asks had to sign in before. */
function follow(
  parts: readonly Part[],
  path: string,
  isOrdered: boolean,
  isGuarded = false,
): { answered: boolean; isGuarded: boolean } {
  const sorted = isOrdered
    ? parts
    : [...parts].sort(
        (one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind) || other.path.length - one.path.length,
      )
  let guarded = isGuarded
  let hasHandled = false
  for (const part of sorted) {
    if (part.path !== '' && !path.startsWith(part.path.slice(0, -1))) continue
    if (part.kind === 'authorize') guarded = true
    else if (part.kind === 'reverse_proxy') return { answered: true, isGuarded: guarded }
    else {
      // Of the handles of one block, the first that matches is the only one.
      if (part.kind === 'handle' && hasHandled) continue
      hasHandled ||= part.kind === 'handle'
      const inner = follow(part.parts, path, part.kind === 'route', guarded)
      if (inner.answered) return inner
      guarded = inner.isGuarded
    }
  }
  return { answered: false, isGuarded: guarded }
}

const OPTIONS = `{
 order authorize before handle
 security {
  oauth identity provider p {
   client_id a
   base_auth_url https://id.example.com
  }
  authentication portal home {
   transform user {
    match any
    action add role user
   }
  }
  authorization policy users {
   allow roles user
  }
 }
}
`

/** The `allow` of the route that serves a path; null where none does. */
function allowAt(routes: string, path: string): string | null {
  const parsed = parseToml(routes)
  const list = parsed.ok ? parsed.value.entries.get('routes') : undefined
  let best = { length: 0, allow: null as string | null }
  for (const route of list?.kind === 'list' ? list.items : []) {
    if (route.kind !== 'table') continue
    const own = route.entries.get('path')
    const at = own?.kind === 'text' ? own.source : ''
    const allow = route.entries.get('allow')
    const isExact = route.entries.has('exact')
    const isHere = isExact ? path === at : at === '' || path === at || path.startsWith(`${at}/`)
    const length = at.length + (isExact ? 0.5 : 0)
    if (isHere && length >= best.length) best = { length, allow: allow?.kind === 'text' ? allow.source : 'rules' }
  }
  return best.allow
}

test('no path that asked for a sign-in in Caddy is open in what is made of it', async () => {
  const path = fc.constantFrom(...PATHS)
  const { part } = fc.letrec<{ part: Part }>(tie => ({
    part: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      fc.record({
        kind: fc.constantFrom('authorize' as const, 'reverse_proxy' as const),
        path,
        parts: fc.constant([]),
      }),
      fc.record({
        kind: fc.constantFrom('handle' as const, 'route' as const),
        path,
        parts: fc.array(tie('part'), { maxLength: 3 }),
      }),
    ),
  }))
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 5 }), async parts => {
      const { routes } = await imported(`${OPTIONS}app.example.com {\n${write(parts)}}\n`, ['--from', 'caddyfile'])
      for (const request of REQUESTS) {
        const { answered, isGuarded } = follow(parts, request, false)
        if (answered && isGuarded) expect([request, allowAt(routes, request)]).not.toEqual([request, 'public'])
      }
    }),
    { numRuns: 500 },
  )
})
