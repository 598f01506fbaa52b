import { expect, setDefaultTimeout } from 'bun:test'
import { startTellingApp } from '../../kit/applications/telling-app.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startNginx } from '../../kit/programs/front.ts'
import { startProvider } from '../../kit/provider/provider.ts'
import { sendRaw } from '../../kit/wire/wire.ts'
import { imported } from '../../migrate/imported.ts'

const { describe, test } = needs('nginx')

setDefaultTimeout(300_000)

/** nginx as oauth2-proxy's documentation has it: what whoever moves has in front. */
const IDIOM = `
server {
    listen 80;
    server_name app.example.com;
    location /oauth2/ {
        proxy_pass http://127.0.0.1:4180;
        proxy_set_header Host $host:PORT;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Auth-Request-Redirect $request_uri;
    }
    location = /oauth2/auth {
        proxy_pass http://127.0.0.1:4180;
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header Content-Length "";
        proxy_pass_request_body off;
    }
    location / {
        auth_request /oauth2/auth;
        error_page 401 = /oauth2/sign_in;
        auth_request_set $user $upstream_http_x_auth_request_user;
        proxy_set_header X-User $user;
        auth_request_set $email $upstream_http_x_auth_request_email;
        proxy_set_header X-Email $email;
        auth_request_set $auth_cookie $upstream_http_set_cookie;
        add_header Set-Cookie $auth_cookie;
        proxy_pass http://app:3000;
    }
}
`

const SECRET = 's3cret-of-the-client'
const ADA = { sub: 'ada', preferred_username: 'ada', email: 'ada@example.com', email_verified: true, groups: ['staff'] }
const keep = untilTheEnd()
const provider = keep(
  await startProvider({
    clients: [{ client_id: 'gate', client_secret: SECRET }],
    accounts: [
      ADA,
      { sub: 'eve', preferred_username: 'eve', email: 'eve@example.com', email_verified: true, groups: ['guests'] },
    ],
  }),
)
const port = await freePort()
const CFG = `provider = "oidc"
client_id = "gate"
client_secret = "${SECRET}"
oidc_issuer_url = "${provider.issuer}"
redirect_url = "http://app.example.com:${port}/oauth2/callback"
cookie_secure = false
email_domains = "*"
allowed_groups = ["staff"]
scope = "openid email profile groups"
set_xauthrequest = true
reverse_proxy = true
trusted_proxy_ips = "127.0.0.1"
upstreams = ["static://202"]
skip_auth_routes = ["GET=^/open/"]
`
provider.allowRedirect(`http://app.example.com:${port}/oauth2/callback`)
const made = await imported(CFG)
const folder = keep(temporaryFolder())
const gate = keep(
  await startGate(made.routes.slice(made.routes.indexOf('[providers.oidc]')), {
    server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"',
    env: { OIDC_CLIENT_SECRET: SECRET },
  }),
)
const app = keep(await startTellingApp(['app']))
keep(
  await startNginx(
    folder.path,
    port,
    (made.beside?.text ?? '')
      .replaceAll('listen 80', `listen 127.0.0.1:${port}`)
      .replaceAll('127.0.0.1:4180', `127.0.0.1:${gate.port}`)
      .replaceAll('127.0.0.1:9080', `127.0.0.1:${gate.verifyPort}`)
      .replaceAll('app:3000', `127.0.0.1:${app.portOf('app')}`),
  ),
)
const HOST = `app.example.com:${port}`
const browser = () => new BrowserLite({ hosts: { [HOST]: `127.0.0.1:${port}` } })

async function ask(path: string, lines: readonly string[] = [], at = port, host = HOST) {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...lines]
  const before = app.received.length
  const answer = await sendRaw(at, `${head.join('\r\n')}\r\n\r\n`, { until: () => false })
  return { status: answer.status, saw: app.received.slice(before) }
}

test('the report says which lines of oauth2-proxy’s own nginx file change, and nothing else does', () => {
  const linesOf = (text: string) =>
    text
      .split('\n')
      .map(line => line.replace(/ {2}# new$/, '').trim())
      .filter(line => line !== '' && !line.startsWith('#'))
  const changes = (made.beside?.changes ?? '').split('\n')
  const after = (sign: string) =>
    linesOf(
      changes
        .filter(line => line.startsWith(sign))
        .map(line => line.slice(2))
        .join('\n'),
    )
  const expected = linesOf(IDIOM.replace('PORT', String(port)))
  for (const line of after('-')) {
    expect(expected).toContain(line)
    expected.splice(expected.lastIndexOf(line), 1)
  }
  expect([...expected, ...after('+')].sort()).toEqual([...linesOf(made.beside?.text ?? '')].sort())
})

describe('nginx that asked oauth2-proxy asks Sallyport, and', () => {
  test('people sign in by the callback that is registered, port and all, come back, and are told to the application', async () => {
    const page = await browser().signIn(`http://${HOST}/deep/link?q=1`, 'ada')
    expect([page.response.status, page.address.href]).toEqual([200, `http://${HOST}/deep/link?q=1`])
    const { fields } = app.received.at(-1) ?? {}
    expect(fields).toMatchObject({ 'x-user': 'ada', 'x-email': 'ada@example.com', 'x-auth-request-groups': 'staff' })
    expect(fields?.cookie).toBeUndefined()
  })

  test('whoever has no group of the file does not pass, nor a program without a sign-in', async () => {
    const before = app.received.length
    const page = await browser().signIn(`http://${HOST}/deep/link`, 'eve')
    expect([page.response.status, app.received.length]).toEqual([403, before])
    expect(await ask('/')).toEqual({ status: 401, saw: [] })
  })

  test('what was open is open by the same path and method, and no field of a client names another request or person', async () => {
    const open = await ask('/open/x', ['X-Auth-Request-User: root', 'X-User: root', 'X-Email: root@example.com'])
    const way = await ask('/open/x', ['X-Forwarded-Port: 4711', 'X-Forwarded-Prefix: /stated'])
    expect([way.status, JSON.stringify(way.saw)]).toEqual([200, expect.not.stringMatching(/4711|stated/)])
    expect([open.status, open.saw.length]).toEqual([200, 1])
    for (const name of ['x-user', 'x-email', 'x-auth-request-user', 'x-auth-request-email', 'x-auth-request-groups']) {
      expect([name, open.saw[0]?.fields[name]]).toEqual([name, undefined])
    }
    for (const lines of [
      ['X-Original-URL: http://app.example.com/open/x', 'X-Original-Method: GET'],
      ['X-Forwarded-Uri: /open/x', 'X-Forwarded-Method: GET', 'X-Forwarded-Host: app.example.com'],
      ['X-Auth-Request-Redirect: /open/x'],
    ]) {
      const { status, saw } = await ask('/closed', lines)
      expect([lines, status >= 400, saw]).toEqual([lines, true, []])
    }
  })

  test('no client asks for verdicts itself, and a host without a block of its own reaches no application', async () => {
    const { cookie } = await gate.signIn('app.example.com', { ...ADA })
    const lines = [`Cookie: ${cookie}`]
    expect((await ask('/', lines)).status).toBe(200)
    expect((await ask('/.sallyport/verify/nginx', lines)).status).toBe(404)
    expect((await ask('/', lines, port, 'other.example.com')).saw).toEqual([])
  })

  test('a page of the application asks who is there as ever, at /oauth2/auth', async () => {
    const { cookie } = await gate.signIn('app.example.com', { ...ADA })
    expect((await ask('/oauth2/auth', [`Cookie: ${cookie}`])).status).toBe(202)
    expect((await ask('/oauth2/auth')).status).toBe(401)
  })

  test('the routes answer nothing where people come: signed in, there is nothing', async () => {
    const { cookie } = await gate.signIn('app.example.com', { ...ADA })
    expect((await ask('/', [`Cookie: ${cookie}`], gate.port, 'app.example.com')).status).toBe(404)
    expect((await ask('/open/x', [], gate.port, 'app.example.com')).status).toBe(404)
  })
})
