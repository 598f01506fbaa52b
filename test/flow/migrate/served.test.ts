import { describe, expect, test } from 'bun:test'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { record } from '../../kit/log/record.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { ADA_OF_STAFF } from '../../kit/people.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startProvider } from '../../kit/provider/provider.ts'
import { importTexts } from '../../kit/recorded.ts'
import { POCKET_ID_CADDY, POCKET_ID_CFG } from '../../migrate/set-ups.ts'

const SECRET = 'client-secret-from-pocket-id'

const keep = untilTheEnd()
const provider = keep(
  await startProvider({
    clients: [
      {
        client_id: 'client-id-from-pocket-id',
        client_secret: SECRET,
        token_endpoint_auth_method: 'client_secret_post',
      },
      { client_id: 'other-client', client_secret: SECRET },
    ],
    accounts: [ADA_OF_STAFF],
  }),
)
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: request => Response.json({ path: new URL(request.url).pathname, ...request.headers.toJSON() }),
  }),
)

/** Imports a file as a person would, serves what comes of it, and signs in at https://app.example.com. */
async function signInThrough(
  old: { readonly name: string; readonly text: string },
  callback: string,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly seen: Record<string, string>; readonly routes: string; readonly report: string }> {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, old.name), old.text)
  const port = await freePort()
  const program = await compiledBinary()
  const run = (...argv: string[]) =>
    Bun.spawn([program, ...argv], {
      cwd: folder.path,
      env: { PATH: process.env.PATH ?? '', HOME: folder.path, LISTEN_PORT: String(port), ...env },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
  const imported = run('import', old.name, '--out', 'routes.toml')
  const report = await new Response(imported.stderr).text()
  expect([await imported.exited, report]).toEqual([0, expect.stringContaining('The new file is good.')])
  const path = join(folder.path, 'routes.toml')
  // Everybody may have 8080 already.
  writeFileSync(path, readFileSync(path, 'utf8').replace('"0.0.0.0:8080"', `"127.0.0.1:${port}"`))
  expect(await run('check').exited).toBe(0)

  provider.allowRedirect(callback)
  const server = run('serve')
  let log = ''
  void (async () => {
    for await (const chunk of server.stderr) log += new TextDecoder().decode(chunk)
  })()
  try {
    await eventually(() => log.includes('Sallyport is listening') || server.exitCode !== null, 'it listens')
    expect(server.exitCode === null || log).toBe(true)
    const browser = new BrowserLite({ hosts: { 'app.example.com': `127.0.0.1:${port}` } })
    const page = await browser.signIn('https://app.example.com/deep/link', 'ada')
    expect(page.trail.some(address => address.startsWith(`${callback}?`))).toBe(true)
    expect(page.address.href).toBe('https://app.example.com/deep/link')
    const seen = JSON.parse(page.text)
    const stranger = new BrowserLite({ hosts: { 'app.example.com': `127.0.0.1:${port}` } })
    expect((await stranger.visit('https://app.example.com/')).status).toBe(302)
    return { seen, routes: readFileSync(path, 'utf8'), report }
  } finally {
    server.kill('SIGKILL')
    await server.exited
    record('test/flow/migrate/served.test.ts', log)
  }
}

describe('a file that was imported serves as the old one did', () => {
  test('oauth2-proxy.cfg: the same callback, and X-Forwarded-* for the application', async () => {
    const { seen, routes, report } = await signInThrough(
      { name: 'oauth2-proxy.cfg', text: POCKET_ID_CFG.replace('ISSUER', provider.issuer) },
      'https://app.example.com/oauth2/callback',
      {
        APP_HOST: 'app.example.com',
        OIDC_CLIENT_SECRET: SECRET,
        SERVICE_TO_BE_PROXIED: '127.0.0.1',
        PORT: String(upstream.port),
      },
    )
    expect(seen).toMatchObject({
      path: '/deep/link',
      host: 'app.example.com',
      'x-forwarded-user': 'ada-1',
      'x-forwarded-email': 'ada@example.com',
      'x-forwarded-groups': 'staff,ops',
      'x-forwarded-preferred-username': 'ada',
    })
    expect(routes + report).not.toContain(SECRET)
    expect(routes + report).not.toContain('random-string')
  })

  test('oauth2-proxy.cfg with pass_access_token and pass_authorization_header: the tokens arrive where they did', async () => {
    const { seen } = await signInThrough(
      {
        name: 'oauth2-proxy.cfg',
        text: `${POCKET_ID_CFG.replace('ISSUER', provider.issuer).replace('client-id-from-pocket-id', 'other-client')}
redirect_url = "https://app.example.com/oauth2/callback"
pass_access_token = true
pass_authorization_header = true
allowed_groups = ["ops"]
`,
      },
      'https://app.example.com/oauth2/callback',
      { OIDC_CLIENT_SECRET: SECRET, SERVICE_TO_BE_PROXIED: '127.0.0.1', PORT: String(upstream.port) },
    )
    const [, payload = ''] = (seen.authorization ?? '').replace('Bearer ', '').split('.')
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({
      sub: 'ada-1',
      aud: 'other-client',
    })
    expect(seen['x-forwarded-access-token']).toMatch(/^\S+$/)
  })

  test('oauth2-proxy.cfg with a socket and trusted_ips: whoever comes by the socket counts as 127.0.0.1, as there', async () => {
    using folder = temporaryFolder()
    const socket = join(folder.path, 'gate.sock')
    const asked = async (network: string) => {
      const made = await importTexts({
        'oauth2-proxy.cfg': `${POCKET_ID_CFG.replace('ISSUER', provider.issuer).replace(/^(?:upstreams|http_address|reverse_proxy).*$/gm, '')}
redirect_url = "https://app.example.com/oauth2/callback"
upstreams = "http://127.0.0.1:${upstream.port}"
http_address = "unix://${socket}"
trusted_ips = "${network}"
`,
      })
      const routes = join(folder.path, 'routes.toml')
      writeFileSync(routes, made.routes)
      const env = { PATH: process.env.PATH ?? '', HOME: folder.path, OIDC_CLIENT_SECRET: SECRET }
      const program = await compiledBinary()
      const server = Bun.spawn([program, 'serve'], { cwd: folder.path, env, stderr: 'ignore', stdin: 'ignore' })
      try {
        const answer = () => fetch('http://app.example.com/x', { unix: socket, redirect: 'manual' }).catch(() => null)
        await eventually(async () => (await answer()) !== null || server.exitCode !== null, 'it listens')
        return (await answer())?.status
      } finally {
        server.kill('SIGKILL')
        await server.exited
        rmSync(socket, { force: true })
      }
    }
    expect([await asked('127.0.0.1'), await asked('10.0.0.0/8')]).toEqual([200, 401])
  })

  test('what Caddy makes of its file: the same callback, and X-Token-* for the application', async () => {
    const text = POCKET_ID_CADDY.replaceAll('ISSUER', provider.issuer)
    const { seen, routes, report } = await signInThrough(
      { name: 'caddy.json', text: text.replace('uptime-kuma:3001', `127.0.0.1:${upstream.port}`) },
      'https://app.example.com/auth/oauth2/generic/authorization-code-callback',
      { GENERIC_CLIENT_SECRET: SECRET },
    )
    expect(seen).toMatchObject({
      path: '/deep/link',
      host: 'app.example.com',
      'x-token-subject': 'ada-1',
      'x-token-user-name': 'Ada',
      'x-token-user-email': 'ada@example.com',
      'x-token-user-roles': 'user',
    })
    expect(routes + report).not.toContain(SECRET)
  })
})
