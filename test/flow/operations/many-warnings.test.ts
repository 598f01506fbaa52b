/** What strangers can bring about as often as they like fills no log: twenty warnings of a kind, and the count of the rest. */
import { expect, test } from 'bun:test'
import { fakeClock } from '../../kit/clock.ts'
import { type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Fields, fetchFrom } from '../../kit/requests.ts'

const clock = fakeClock(Date.now())
const keep = untilTheEnd()
const gate: Gate = keep(
  await startGate(
    `${portalWith('')}
[portals.secure]
providers = ["id"]

[[routes]]
host = "app.test"
upstream = "http://127.0.0.1:1"
allow = "public"
portal = "home"

[[routes]]
host = "app.example.com"
upstream = "http://127.0.0.1:1"
portal = "secure"
allow = "authenticated"
`,
    { ports: { now: clock.now } },
  ),
)

interface Asked {
  readonly path: string
  readonly fields?: Fields
  readonly form?: string
}

const PAGE = { host: 'app.test', accept: 'text/html' }
const FORM = { ...PAGE, 'content-type': 'application/x-www-form-urlencoded' }

const MISCHIEF: readonly (readonly [string, Asked])[] = [
  [
    'sign_in.plain_http',
    { path: '/', fields: { host: 'app.example.com', accept: 'text/html,*/*;q=0.8', 'upgrade-insecure-requests': '1' } },
  ],
  ['sign_in.browser', { path: `/.sallyport/callback?code=a&state=${'A'.repeat(43)}`, fields: PAGE }],
  ['access.origin', { path: '/.sallyport/logout', fields: { ...FORM, origin: 'http://evil.test' }, form: 'a=b' }],
  ['provider.logout_token', { path: '/.sallyport/backchannel-logout', fields: FORM, form: 'logout_token=a.b.c' }],
  ['upstream.refused', { path: '/', fields: { host: 'app.test' } }],
]

test.each([...MISCHIEF])('%s', async (code, { path, fields = {}, form }) => {
  const ask = async () => {
    const more = form === undefined ? {} : { method: 'POST', body: form }
    await (await fetchFrom(gate, path, fields, more)).text()
  }
  const told = () => gate.told(`"${code}"`, '"level":"warn"')
  for (let index = 0; index < 60; index++) await ask()
  expect(told()).toHaveLength(20)
  clock.advance(60_000)
  await ask()
  expect(told()).toHaveLength(21)
  expect(told()[20]).toContain('"left_out":40')
})
