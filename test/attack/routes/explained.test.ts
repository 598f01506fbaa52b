/** What `explain` says of an address is what the gate does there, on every host and at every address that is somebody's. */
import { expect, test } from 'bun:test'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'
import { rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, lines: string) => routeTo(upstream, host, lines)
const ROLES = 'roles.user = { any = true }\nroles.admin = { groups = ["admins"] }'

const FILES = {
  'a portal with an address of its own': [
    portalTable(`url = "http://auth.example"\ncallback_path = "/back"\n${ROLES}`),
    route('app.example', 'path = "/app"\nportal = "home"\nallow = ["user"]'),
    route('app.example', 'path = "/open"\nallow = "public"'),
    route('app.example', 'path = "/mcp"\nportal = "home"\nallow = ["admin"]\nmcp = true'),
    route('*.example', 'path = "=/only"\nportal = "home"\nallow = ["user"]\none_label = true'),
    route('auth.example', 'path = "/blog"\nallow = "public"'),
  ],
  'a portal on each host, in the place of oauth2-proxy': [
    portalTable(`callback_path = "/back"\ncompat = "oauth2-proxy"\n${ROLES}`),
    route('app.example', 'path = "/open"\nallow = "public"'),
    route('app.example', 'path = "/app"\nportal = "home"\nallow = ["user"]'),
    route('*.example', 'portal = "home"\nallow = ["admin"]\none_label = true'),
  ],
  'a portal in the place of caddy-security': [
    portalTable(`url = "http://auth.example"\ncompat = { program = "caddy-security", prefix = "/auth" }\n${ROLES}`),
    route('app.example', 'portal = "home"\nallow = ["user"]\nmcp = "provider"'),
    route('auth.example', 'path = "/auth"\nallow = "public"'),
  ],
  'routes that no other reading of a path may lead to': [
    portalTable(`callback_path = "/back"\n${ROLES}`),
    route('app.example', 'portal = "home"\nallow = ["user"]'),
    route('app.example', 'path = "/mcp"\nportal = "home"\nallow = ["user"]\ntools = { allow = ["search"] }'),
    '[[routes]]\nhost = "app.example"\npath = "/no"\nrespond = { status = 404, body = "SAID-HERE" }\nallow = "public"\n',
    '[[routes]]\nhost = "app.example"\npath = "/old"\nredirect = "/SAID-HERE"\nallow = "public"\n',
    '[[routes]]\nhost = "app.example"\npath = "/hello"\nrespond = { body = "SAID-HERE" }\nallow = "public"\n',
    route('other.example', 'allow = "public"'),
    '[[routes]]\nhost = "other.example"\npath = "/Open"\nredirect = "/SAID-HERE"\nallow = "public"\n',
  ],
}
const HOSTS = ['app.example', 'auth.example', 'other.example', 'deep.other.example', 'nowhere.test']
const PATHS = [
  ...['/', '/app', '/app/x', '/open', '/only', '/only/x', '/mcp', '/blog', '/back', '/auth', '/auth/login', '/login'],
  ...['/oauth2/callback', '/oauth2/sign_in', '/oauth2/x', '/ping', '/ready', '/robots.txt', '/.sallyport/login'],
  ...['', '/app', '/mcp', '/mcp/', '/x'].map(path => `/.well-known/oauth-protected-resource${path}`),
  ...['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration', '/APP', '/%61pp'],
  ...['/no', '/old', '/hello', '/mcp', '/open'].flatMap(path => [path, `${path}%2fx`, path.replace('o', '%6f')]),
  ...['/OPEN', '/no/x', '/nox', '/m%63p'],
]

test.each(Object.entries(FILES))('%s', async (_, tables) => {
  const provider = providerTable(SILENT, 'access_tokens = { audience = "api" }')
  await using gate = await startGate([provider, ...tables].join('\n'))
  const bob = makeIdentity('id', SILENT.issuer, 'bob', { sub: 'bob' })
  const outcomes = new Set<string>()
  for (const host of HOSTS) {
    const { cookie } = await gate.signIn(host, { sub: 'bob' })
    for (const path of PATHS) {
      for (const identity of [null, bob]) {
        const fields = identity === null ? [] : [`Cookie: ${cookie}`]
        const { response, received } = await sendThrough(gate.port, upstream, rawRequest(`GET ${path}`, host, fields))
        const nowMs = Date.now()
        const facts = { method: 'GET', client: '127.0.0.1', nowMs, signedInAtMs: identity === null ? null : nowMs }
        const { verdict, reason } = explain(gate.server.config, {
          url: new URL(`http://${host}${path}`),
          identity,
          facts,
        })
        const said = reason === 'reserved' ? 'own' : verdict
        const isNowhere = response.status === 404 && response.body.includes('"route.none"')
        const isAnswered = received !== '' || response.raw.includes('SAID-HERE')
        const done = isAnswered
          ? 'allow'
          : isNowhere
            ? 'no-route'
            : { 400: 'refused', 401: 'sign-in', 403: 'deny' }[response.status]
        outcomes.add(said)
        // A page of ours may ask for a sign-in too; what it is not is somebody else's, or nobody's.
        const isTrue = said === 'own' ? done !== 'allow' && !(isNowhere && !path.startsWith('/.')) : done === said
        expect([host, path, identity?.subject, said, response.status, isTrue]).toEqual([
          host,
          path,
          identity?.subject,
          said,
          response.status,
          true,
        ])
      }
    }
  }
  expect(outcomes.size).toBeGreaterThan(3)
})
