import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createToken } from '../../kit/commands.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { guestCookie } from '../../kit/sessions/joined.ts'
import { ATTACK_RUNS, oddTargets } from '../../kit/wire/odd-targets.ts'
import { isOwn, readingsOf } from '../../kit/wire/readings.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/** Where a token and a guest link are good, below a route that is open to both everywhere else. */
const LIMITS = ['/shared', '/Docs/Mine', '/api/v1'] as const
const OTHERS = ['/', '/share', '/docs/mine', '/api', '/admin', '/api/v1/../v2']

/** By the path that each is limited to, a field for each way in. */
const fields = new Map<string, readonly string[]>()

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (path: string, more: string) =>
  `[[routes]]\nhost = "app.example"\npath = "${path}"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "home"\ntokens = true\n${more}\n`
const gate = keep(
  await startGate(
    portalWith('guest_links = { allow = ["admin"] }') +
      route('/', 'allow = ["user", { guest_link = true }]') +
      route('/api', 'strip_prefix = "/api"\nallow = ["user", { guest_link = true }]'),
  ),
)
for (const path of LIMITS) {
  const { token } = await createToken(gate, ['--path', path])
  fields.set(path, [`Authorization: Bearer ${token}`, `Cookie: ${await guestCookie(gate, 'app.example', path)}`])
}

/** Whether some backend could make of what it received a path outside of this one. */
function leaves(received: string, path: string): string | null {
  const prefix = path.startsWith('/api') ? '/api' : ''
  for (const reading of readingsOf(received)) {
    const outside = prefix + reading
    if (isOwn(reading)) return outside
    const isWithin = (whole: string, base: string) => whole === base || whole.startsWith(`${base}/`)
    if (!isWithin(outside, path) && !isWithin(outside.toLowerCase(), path.toLowerCase())) return outside
  }
  return null
}

test.each(LIMITS)(
  'a token and a guest link for %s open nothing else, however a path is spelled',
  async path => {
    const ways = fields.get(path) ?? []
    let passed = 0
    await fc.assert(
      fc.asyncProperty(
        oddTargets([path, path, path, ...LIMITS, ...OTHERS]),
        fc.constantFrom(...ways),
        async (target, field) => {
          const raw = Buffer.from(rawRequest(`GET ${target}`, 'app.example', [field]), 'latin1')
          const { received } = await sendThrough(gate.port, upstream, raw)
          if (received === '') return
          passed++
          const [, seen = ''] = /^GET (\S+) HTTP\/1\.1\r\n/.exec(received) ?? []
          expect([target, seen, leaves(seen, path)]).toEqual([target, seen, null])
        },
      ),
      { numRuns: ATTACK_RUNS },
    )
    expect(passed).toBeGreaterThan(ATTACK_RUNS / 50)
  },
  600_000,
)
