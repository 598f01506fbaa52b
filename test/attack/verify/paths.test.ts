import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { ATTACK_RUNS, oddTargets } from '../../kit/wire/odd-targets.ts'
import { isOwn, linesOfRule, needsOf, type PathRule, readingsOf } from '../../kit/wire/readings.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

/** What a proxy in front asks about is what its client sent, byte for byte, and what it will send on: nothing has tidied it up. */
const RULES: readonly PathRule[] = [
  { path: '/', allow: 'public' },
  { path: '/app', allow: 'user' },
  { path: '/admin', allow: 'admin' },
  { path: '/admin/login', allow: 'public' },
  { path: '/Secret', allow: 'admin' },
]

const keep = untilTheEnd()
const routes = RULES.map(rule => `[[routes]]\nhost = "app.example"\nverify = true\n${linesOfRule(rule)}\n`)
const gate = keep(
  await startGate(PORTAL + routes.join('\n'), {
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
  }),
)
const cookie = (await gate.signIn('app.example', { sub: 'bob' })).cookie

/** How Caddy and Traefik ask, how Envoy does, by the request's own path besides, and how nginx does. */
const ASKING: readonly (readonly [who: string, ask: (target: string) => readonly string[]])[] = [
  ['verify', target => ['X-Forwarded-Method: GET', `X-Forwarded-Uri: ${target}`, 'X-Forwarded-Host: app.example']],
  [
    'verify/traefik',
    target => ['X-Forwarded-Method: GET', `X-Forwarded-Uri: ${target}`, 'X-Forwarded-Host: app.example'],
  ],
  [
    'verify/envoy',
    target => ['X-Forwarded-Method: GET', `X-Forwarded-Uri: ${target}`, 'X-Forwarded-Host: app.example'],
  ],
  ['verify/nginx', target => ['X-Original-Method: GET', `X-Original-URL: http://app.example${target}`]],
]

describe.each(ASKING)('%s', (page, ask) => {
  test.each([true, false])(
    'says yes to nothing that a backend could read as beyond someone (signed in: %p)',
    async isSignedIn => {
      const allowed = isSignedIn ? ['public', 'user'] : ['public']
      let passed = 0
      await fc.assert(
        fc.asyncProperty(oddTargets(RULES.map(({ path }) => path)), async raw => {
          const target = raw.replace(/^http:\/\/[^/\\?#]*/, '')
          const fields = [...ask(target), 'X-Forwarded-For: 198.51.100.1', ...(isSignedIn ? [`Cookie: ${cookie}`] : [])]
          const behind = page === 'verify/envoy' ? target : ''
          const request = rawRequest(`GET /.sallyport/${page}${behind}`, 'app.example', fields)
          const { status } = await sendRaw(gate.verifyPort, Buffer.from(request, 'latin1'))
          if (status !== 204 && status !== 200) return
          passed++
          const beyond = [...readingsOf(target)].find(
            path => isOwn(path) || !needsOf(RULES, path).every(need => need !== null && allowed.includes(need)),
          )
          expect([target, beyond]).toEqual([target, undefined])
        }),
        { numRuns: ATTACK_RUNS },
      )
      expect(passed).toBeGreaterThan(ATTACK_RUNS / 50)
    },
    600_000,
  )
})
