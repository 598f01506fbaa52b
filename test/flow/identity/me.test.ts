import { expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'

const route = (host: string, lines: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:9"\nportal = "home"\nallow = ["user"]\n${lines}\n`

const keep = untilTheEnd()
const gate = keep(
  await startGate(`${PORTAL}
[portals.away]
url = "http://auth.example"
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }
${route('told.example', '')}
${route('told.example', 'path = "/app"\nheaders = "x-token"')}
${route('signed.example', 'assertion = { audience = "a" }')}
${route('ruled.example', 'request_headers = { set = { X-Who = "{sub}" } }')}
${route('silent.example', '')}
${route('none.example', 'headers = "none"')}
${route('*.wild.example', 'headers = "x-token"')}
${route('silent.wild.example', 'headers = "none"')}
${route('app.example', '').replace('"home"', '"away"')}
${route('public.example', 'headers = "x-token"').replace('["user"]', '"public"')}
`),
)

async function me(host: string, portal = 'home'): Promise<readonly [status: number, isSaid: boolean]> {
  const { cookie } = await gate.signIn(host, { sub: 'ada-lovelace' }, portal)
  const answer = await fetch(`http://127.0.0.1:${gate.port}/.sallyport/me`, { headers: { host, cookie } })
  return [answer.status, (await answer.text()).includes('ada-lovelace')]
}

test.each([
  ['of the host of which one route tells its application', 'told.example'],
  ['of a host with assertions', 'signed.example'],
  ['of a host with fields of the file’s own', 'ruled.example'],
  ['of a host below a wildcard', 'any.wild.example'],
  ['of a public application that is told', 'public.example'],
])('scripts %s may ask who is there', async (_, host) => expect(await me(host)).toEqual([200, true]))

test('so may whoever asks at the portal’s own host, where no application is', async () =>
  expect(await me('auth.example', 'away')).toEqual([200, true]))

test.each([
  ['says nothing of headers', 'silent.example', 'home'],
  ['says headers = "none"', 'none.example', 'home'],
  ['says so below a wildcard that tells', 'silent.wild.example', 'home'],
  ['says nothing, of a portal with a host of its own', 'app.example', 'away'],
])('scripts of an application are told nothing where its route %s', async (_, host, portal) =>
  expect(await me(host, portal)).toEqual([404, false]),
)
