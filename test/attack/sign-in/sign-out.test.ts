import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type Joined, signInOn } from '../../kit/sessions/joined.ts'

/** What the script of an application can send to its own host: by itself, and as a form that its visitor's window shows. */
const SCRIPT = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }
const FORM = {
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  accept: 'text/html',
}

const keep = untilTheEnd()
const route = (host: string, portal: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:9"\nportal = "${portal}"\nallow = ["user"]\n`
const gate = keep(
  await startGate(`${PORTAL}
[portals.away]
url = "http://auth.example"
providers = ["id"]
insecure_cookies = true
roles.user = { any = true }
${['evil.example', 'good.example'].map(host => route(host, 'away')).join('\n')}
${['evil.mounted', 'good.mounted'].map(host => route(host, 'home')).join('\n')}
`),
)

function ask(host: string, path: string, fields: Record<string, string>, body?: Record<string, string>) {
  return fetch(`http://127.0.0.1:${gate.port}${path}`, {
    headers: { host, ...fields },
    redirect: 'manual',
    ...(body === undefined ? {} : { method: 'POST', body: new URLSearchParams(body) }),
  })
}

async function isIn({ cookieAt }: Joined, host: string): Promise<boolean> {
  const { status } = await ask(host, '/', { cookie: cookieAt(host), accept: 'application/json' })
  expect([401, 502]).toContain(status)
  return status === 502
}

describe('an application’s script', () => {
  test('cannot sign its visitor out everywhere: whatever it sends, the portal asks them back', async () => {
    const ada = await signInOn(gate, 'away', 'ada', ['auth.example', 'evil.example', 'good.example'])
    const cookie = ada.cookieAt('evil.example')
    const answers = [
      await ask('evil.example', '/.sallyport/logout', { ...FORM, cookie }, {}),
      await ask('evil.example', '/.sallyport/logout', { ...FORM, cookie }),
    ]
    for (const { headers } of answers) {
      expect(headers.get('location')).toBe('http://auth.example/.sallyport/logout')
      expect(headers.getSetCookie().join()).not.toContain('sallyport=')
    }
    expect(answers.map(({ status }) => status)).toEqual([303, 302])
    expect((await ask('evil.example', '/.sallyport/logout', { ...SCRIPT, cookie }, {})).status).toBe(404)
    expect((await ask('evil.example', '/.sallyport/logout', { ...SCRIPT, cookie })).status).toBe(404)
    for (const host of ['evil.example', 'good.example']) expect([host, await isIn(ada, host)]).toEqual([host, true])
    const page = await ask('auth.example', '/.sallyport/logout', { ...FORM, cookie: ada.cookieAt('auth.example') })
    expect([page.status, (await page.text()).includes('<form method="post"')]).toEqual([200, true])
  })

  test('on a portal without a host of its own sees and ends the sessions of its own host alone', async () => {
    const [evil, good] = [
      await signInOn(gate, 'home', 'ada', ['evil.mounted']),
      await signInOn(gate, 'home', 'ada', ['good.mounted']),
    ]
    const phone = await signInOn(gate, 'home', 'ada', ['evil.mounted'])
    const fields = { ...SCRIPT, cookie: evil.cookieAt('evil.mounted') }
    const page = await ask('evil.mounted', '/.sallyport/sessions', { ...fields, accept: 'application/json' })
    const { sessions } = (await page.json()) as { readonly sessions: readonly { readonly id: string }[] }
    expect(sessions.map(({ id }) => id).sort()).toEqual([evil.id, phone.id].sort())
    const ended = await ask('evil.mounted', '/.sallyport/sessions', fields, { act: 'end', id: good.id })
    expect(await ended.json()).toEqual({ ended: false })
    expect(await isIn(good, 'good.mounted')).toBe(true)
    await ask('evil.mounted', '/.sallyport/sessions', fields, { act: 'end-all' })
    expect(await isIn(good, 'good.mounted')).toBe(true)
    expect(await isIn(evil, 'evil.mounted')).toBe(false)
    expect(await isIn(phone, 'evil.mounted')).toBe(false)
  })
})
