/** gRPC that nginx carries, made of the recipe as docs/behind-a-proxy.md says: the verdict on each call is the gate's. */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { callGrpc, SAY, startGrpc } from '../../kit/applications/grpc.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { createToken } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startNginx } from '../../kit/programs/front.ts'

const HOST = 'app.example.com'
const RECIPE = join(import.meta.dir, '../../../docs/recipes/nginx.conf')
const authority = makeAuthority()
const own = authority.issue(`DNS:${HOST},IP:127.0.0.1`)
const keep = untilTheEnd()
const folder = keep(temporaryFolder())
const application = keep(await startGrpc(own))
const gate = keep(
  await startGate(
    `${PORTAL}
[[routes]]
host = "${HOST}"
verify = true
portal = "home"
tokens = true
headers = "remote"
allow = ["user"]
[[routes]]
host = "${HOST}"
path = "/admin"
verify = true
portal = "home"
tokens = true
allow = ["admin"]`,
    { server: 'trusted_proxies = ["127.0.0.1"]\nverify = "127.0.0.1:0"' },
  ),
)
writeFileSync(join(folder.path, 'own.pem'), own.cert)
writeFileSync(join(folder.path, 'own.key'), own.key)
const port = await freePort()
keep(await startNginx(folder.path, port, recipe()))

/** The recipe's application, with what the documents change for gRPC. */
function recipe(): string {
  const text = readFileSync(RECIPE, 'utf8')
  const maps = text.match(/^map .*$/gm) ?? []
  const block = text.slice(text.indexOf('# An application.'))
  const at = block.indexOf('location / {')
  const location = block
    .slice(at)
    .replace(/^ *error_page .*\n/m, '')
    .replace(/^ *proxy_(?:http_version|buffering) .*\n/gm, '')
    .replace(/^ *proxy_set_header (?:Upgrade|Connection) .*\n/gm, '')
    .replaceAll('proxy_set_header', 'grpc_set_header')
    .replace('proxy_read_timeout', 'grpc_read_timeout')
    .replace('proxy_pass http://app:3000', `grpc_pass grpcs://127.0.0.1:${application.port}`)
  const rest = block
    .slice(0, at)
    .replace('listen 80;', `listen 127.0.0.1:${port} ssl http2; ssl_certificate own.pem; ssl_certificate_key own.key;`)
    .replaceAll('http://sallyport:9080', `http://127.0.0.1:${gate.verifyPort}`)
    .replaceAll('http://sallyport:8080', `http://127.0.0.1:${gate.port}`)
  return [...maps, rest + location].join('\n').replaceAll(/own\.(?=pem|key)/g, `${folder.path}/own.`)
}

const call = (method: string, fields?: Readonly<Record<string, string>>) =>
  callGrpc({ port, host: HOST, ca: authority.cert }, method, fields)

test('a call passes with a token that may, and its application hears of neither token nor forged fields', async () => {
  const { token } = await createToken(gate)
  const before = application.calls.length
  const forged = { 'remote-user': 'root', 'remote-groups': 'admins', 'x-sallyport-token': token }
  for (const fields of [{ authorization: `Bearer ${token}` }, forged]) {
    expect(await call(SAY, { ...forged, ...fields })).toMatchObject({ code: status.OK, text: 'hello Ada' })
  }
  const seen = application.calls.slice(before)
  expect(seen).toHaveLength(2)
  for (const metadata of seen) {
    expect(metadata.get('remote-user')).not.toContain('root')
    expect(metadata.get('remote-groups')).not.toContain('admins')
    expect(JSON.stringify(metadata.getMap())).not.toContain(token)
  }
})

test('one without a session is UNAUTHENTICATED, and one that may not is PERMISSION_DENIED', async () => {
  const { token } = await createToken(gate)
  const before = application.calls.length
  const { code } = await call(SAY)
  expect(code).toBe(status.UNAUTHENTICATED)
  expect((await call('/admin/Say', { authorization: `Bearer ${token}` })).code).toBe(status.PERMISSION_DENIED)
  expect((await call(SAY, { authorization: 'Bearer sp_nothing' })).code).toBe(status.UNAUTHENTICATED)
  expect(application.calls).toHaveLength(before)
})

test('what the application says of a call comes back in its trailers', async () => {
  const { token } = await createToken(gate)
  const { code, text } = await call('/test.Greeter/Nothing', { authorization: `Bearer ${token}` })
  expect([code, text]).toEqual([status.UNIMPLEMENTED, expect.stringContaining('/test.Greeter/Nothing')])
})
