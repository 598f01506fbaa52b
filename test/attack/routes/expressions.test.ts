import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { ATTACK_RUNS, oddTargets } from '../../kit/wire/odd-targets.ts'
import { isOwn, readingsOf } from '../../kit/wire/readings.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, lines: string) => routeTo(upstream, host, `portal = "home"\n${lines}`)
const gate = keep(
  await startGate(
    PORTAL +
      route('opens.example', `allow = [{ path_regexp = '^/(?:share|static/[^/]+\\.css)', anonymous = true }]`) +
      route('closes.example', `allow = "public"\ndeny = [{ path_regexp = '^/admin|\\.bak$' }]`) +
      route('cased.example', 'allow = "public"') +
      route('cased.example', 'path = "/admin"\nignore_case = true\nstrip_prefix = "/admin"\nallow = ["admin"]') +
      route('folded.example', `allow = [{ paths = "/Docs/*", ignore_case = true, anonymous = true }]`),
  ),
)

/** What is answered, and the target that the application received; null: it was not asked. */
async function reach(host: string, target: string, fields: readonly string[] = []) {
  const request = Buffer.from(rawRequest(`GET ${target}`, host, fields), 'latin1')
  const { response, received } = await sendThrough(gate.port, upstream, request)
  return { status: response.status, received: /^GET (\S+) HTTP/.exec(received)?.[1] ?? null }
}

/** Open, with the application's answer; or closed, where that was not even asked. */
async function answerOf(host: string, target: string): Promise<string> {
  const { status, received } = await reach(host, target)
  if (status === 200 && received !== null) return 'open'
  return (status === 401 || status === 403) && received === null ? 'closed' : `${status} ${received}`
}

const isOpen = (path: string) => /^\/(?:share|static\/[^/]+\.css)/i.test(path)
const isClosed = (path: string) => /^\/admin|\.bak$/i.test(path)

describe('an expression holds for every reading where it opens, and for any where it closes', () => {
  const opened: readonly (readonly [target: string, answer: string])[] = [
    ['/share/x', 'open'],
    ['/static/a.css', 'open'],
    ['/static/caf%C3%A9.css', 'open'],
    ['/%73hare/x', 'closed'],
    ['/static/a%2fb.css', 'closed'],
    ['/static/;x.css', 'closed'],
    ['/static/x%3f.css', 'closed'],
    ['/x/share', 'closed'],
  ]
  test.each(opened)('%s at the host that it opens: %s', async (target, answer) => {
    expect(await answerOf('opens.example', target)).toBe(answer)
  })
  const closed: readonly (readonly [target: string, answer: string])[] = [
    ['/x', 'open'],
    ['/admin', 'closed'],
    ['/ADMIN/x', 'closed'],
    ['/%61dmin', 'closed'],
    ['/%2561dmin', 'closed'],
    ['//admin', 'closed'],
    ['/x.bak', 'closed'],
    ['/x.bak;y', 'closed'],
    ['/x.BAK', 'closed'],
    ['/x.bak%20', 'closed'],
    ['/x.bak.', 'closed'],
  ]
  test.each(closed)('%s at the host that it closes: %s', async (target, answer) => {
    expect(await answerOf('closes.example', target)).toBe(answer)
  })

  test('however a path is spelled, no backend reads one that is not open, or one that is closed', async () => {
    let passed = 0
    const bases = ['/share', '/static/a.css', '/admin', '/x.bak', '/', '/private']
    await fc.assert(
      fc.asyncProperty(oddTargets(bases), fc.constantFrom('opens.example', 'closes.example'), async (target, host) => {
        const { received } = await reach(host, target)
        if (received === null) return
        passed++
        for (const reading of readingsOf(received)) {
          expect(isOwn(reading)).toBeFalse()
          if (host === 'opens.example') expect([target, reading, isOpen(reading)]).toEqual([target, reading, true])
          else expect([target, reading, isClosed(reading)]).toEqual([target, reading, false])
        }
      }),
      { numRuns: ATTACK_RUNS },
    )
    expect(passed).toBeGreaterThan(0)
  }, 300_000)
})

describe('letters that do not count', () => {
  test.each(['/admin', '/ADMIN', '/Admin/x', '/aDmIn//x'])(
    '%s is the closed route, and not the open one',
    async target => {
      expect(await answerOf('cased.example', target)).toBe('closed')
    },
  )

  test('strip_prefix is taken off in the letters that came', async () => {
    const { cookie } = await gate.signIn('cased.example', { sub: 'ada', groups: ['admins'] })
    expect(await reach('cased.example', '/AdMin/x?y', [`Cookie: ${cookie}`])).toEqual({ status: 200, received: '/x?y' })
  })

  test.each([
    ['/docs/x', 'open'],
    ['/DOCS/x', 'open'],
    ['/do%63s/x', 'closed'],
    ['/other', 'closed'],
  ])('%s by a rule whose letters do not count: %s', async (target, answer) => {
    expect(await answerOf('folded.example', target)).toBe(answer)
  })
})
