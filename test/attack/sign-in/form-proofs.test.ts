import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { signInOn } from '../../kit/sessions/joined.ts'

/** Over plain HTTP browsers say nothing of where a form comes from but an Origin, which a page can make `null`. */
const FROM_NOWHERE = { origin: 'null', 'content-type': 'application/x-www-form-urlencoded' }
const PAGE = { accept: 'text/html' }

const keep = untilTheEnd()
const route = (host: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:9"\nportal = "away"\nallow = ["user", { guest_link = true }]\nheaders = "x-token"\nkeep_posts = "1KiB"\n`
const gate = keep(
  await startGate(`${PORTAL.slice(0, PORTAL.indexOf('[portals.home]'))}
[portals.away]
url = "http://auth.example"
providers = ["id"]
insecure_cookies = true
personal_tokens = true
guest_links = { allow = ["user"] }
roles.user = { any = true }
${route('one.example')}
${route('two.example')}
`),
)

/** One sign-in with a cookie for each of the hosts, as a portal hands them out. */
const signIn = async (sub: string) =>
  (await signInOn(gate, 'away', sub, ['auth.example', 'one.example', 'two.example'])).cookieAt

function ask(host: string, path: string, fields: Record<string, string>, body?: Record<string, string>) {
  return fetch(`http://127.0.0.1:${gate.port}/.sallyport/${path}`, {
    headers: { host, ...fields },
    redirect: 'manual',
    ...(body === undefined ? {} : { method: 'POST', body: new URLSearchParams(body) }),
  })
}

async function proofOn(host: string, path: string, cookie: string): Promise<string> {
  const text = await (await ask(host, path, { ...PAGE, cookie })).text()
  return htmlPage(text).all('[name="proof"]')[0]?.attribute('value') ?? ''
}

/** Leaves a form of Ada's to be sent later on a host; answers the page that shows it, and the cookies of the browser that sent it. */
async function keepOn(host: string): Promise<{ readonly path: string; readonly cookies: string }> {
  const owner = (await gate.signIn(host, { sub: 'ada' }, 'away')).owner
  const met = await fetch(`http://127.0.0.1:${gate.port}/save`, {
    method: 'POST',
    headers: { host, cookie: owner, accept: 'text/html', origin: `http://${host}` },
    body: new URLSearchParams({ a: 'b' }),
  })
  const id = /form%3D([A-Za-z0-9_-]+)/.exec(await met.text())?.[1] ?? ''
  const set = met.headers.getSetCookie().map(line => line.split(';')[0] ?? '')
  return { path: `kept?form=${id}`, cookies: [owner, ...set].join('; ') }
}

const WANTED = { act: 'create', name: 'mine', days: '7' }
const statusOf = async (answer: Promise<Response>) => (await answer).status

describe('what shows that a form came from a page of ours', () => {
  test('is taken where that page was, from whoever saw it', async () => {
    const cookieAt = await signIn('ada')
    const cookie = cookieAt('auth.example')
    const proof = await proofOn('auth.example', 'tokens', cookie)
    expect(await statusOf(ask('auth.example', 'tokens', { ...FROM_NOWHERE, cookie }, { ...WANTED, proof }))).toBe(200)
  })

  test('is taken on no other host, though the same person is signed in there by the same sign-in', async () => {
    const cookieAt = await signIn('ada')
    const { path, cookies } = await keepOn('one.example')
    const proof = await proofOn('one.example', path, `${cookieAt('one.example')}; ${cookies}`)
    expect(proof).not.toBe('')
    const tokens = async () => (await ask('auth.example', 'tokens', { cookie: cookieAt('auth.example') })).json()
    const before = await tokens()
    const elsewhere = { ...FROM_NOWHERE, cookie: cookieAt('auth.example') }
    expect(await statusOf(ask('auth.example', 'tokens', elsewhere, { ...WANTED, proof }))).toBe(403)
    expect(await tokens()).toEqual(before)
  })

  test('is taken from nobody else on the same host', async () => {
    const [adas, bobs] = [await signIn('ada'), await signIn('bob')]
    const proof = await proofOn('auth.example', 'tokens', adas('auth.example'))
    const fields = { ...FROM_NOWHERE, cookie: bobs('auth.example') }
    expect(await statusOf(ask('auth.example', 'tokens', fields, { ...WANTED, proof }))).toBe(403)
  })

  test('is asked of browsers without a session too: another site cannot take the cookies of this one away', async () => {
    const answer = await ask('auth.example', 'logout', FROM_NOWHERE, {})
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([403, []])
  })
})
