import { expect, test } from 'bun:test'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'

const PORTAL_HOST = 'auth.example.com'
const ONE = 'a.apps.example.com'
const DEEPER = 'a.b.apps.example.com'

const HEAD = `
[providers.id]
issuer = "https://id.example.com"
client_id = "a"
client_secret = "b"

[portals.home]
url = "http://${PORTAL_HOST}"
insecure_cookies = true
providers = ["id"]

[portals.home.roles]
user = { any = true }
`

function routes(oneLabel: string): string {
  return `${HEAD}
[[routes]]
host = "*.apps.example.com"
upstream = "http://127.0.0.1:1"
portal = "home"
allow = ["user"]
${oneLabel}

[[routes]]
host = "*.apps.example.com"
path = "/any"
respond = { status = 200 }
allow = "public"
`
}

const keep = untilTheEnd()
const gate = keep(await startGate(routes('')))

/** A page load of a host of the gate. */
function load(host: string, path: string, cookie = ''): Promise<Response> {
  return fetch(`http://127.0.0.1:${gate.port}${path}`, {
    headers: { host, cookie, accept: 'text/html', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' },
    redirect: 'manual',
  })
}

async function asks(host: string): Promise<string> {
  return (await load(host, '/.sallyport/login')).headers.get('location') ?? ''
}

test('a portal has no part in names below a wildcard whose routes are for one label: no sign-in, no ticket', async () => {
  const { cookie } = await gate.signIn(PORTAL_HOST, { sub: 'ada' })
  const follow = async (address: string) => {
    const { pathname, search } = new URL(address)
    return (await load(PORTAL_HOST, pathname + search, cookie)).headers.get('location') ?? ''
  }
  const [one, deeper] = [await asks(ONE), await asks(DEEPER)]
  expect(await follow(one)).toStartWith(`http://${ONE}/.sallyport/enter?ticket=`)
  expect(await follow(deeper)).toStartWith(`http://${DEEPER}/.sallyport/enter?ticket=`)

  gate.save(routes('one_label = true'))
  await eventually(async () => (await load(DEEPER, '/')).status === 404, 'the wildcard is for one label')
  expect(await asks(ONE)).toStartWith(`http://${PORTAL_HOST}/.sallyport/login?`)
  expect((await load(DEEPER, '/any')).status).toBe(200)
  expect(await follow(one)).toStartWith(`http://${ONE}/.sallyport/enter?ticket=`)
  expect(await follow(deeper)).not.toContain('ticket=')
  for (const page of ['login', 'enter?ticket=x', 'me', '']) {
    expect([page, (await load(DEEPER, `/.sallyport/${page}`)).status]).toEqual([page, 404])
  }
})
