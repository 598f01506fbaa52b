import { expect, test } from 'bun:test'
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFormatter } from '../../src/cli/fmt.ts'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { type Ran, runIn } from '../kit/io.ts'
import { caddyJson } from './caddy/caddy-json.ts'

const CFG = `client_id = "gate"
client_secret = "s3cret"
oidc_issuer_url = "https://id.example.com"
upstreams = "http://app:3000"
email_domains = "*"
`

/** Runs the command in a folder with these files, and answers what it wrote into `routes.toml` too. */
async function ran(
  files: Readonly<Record<string, string>>,
  ...argv: string[]
): Promise<Ran & { readonly routes: string | null }> {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const answer = await runIn(folder.path, io => runImport(argv, io))
  const path = join(folder.path, 'routes.toml')
  return { ...answer, routes: existsSync(path) ? readFileSync(path, 'utf8') : null }
}

test('the new file goes to standard output, and the report to standard error', async () => {
  const { code, out, err, routes } = await ran({ 'old.cfg': CFG }, 'old.cfg', '--host', 'app.example.com')
  expect(code).toBe(0)
  expect(out).toContain('host = "app.example.com"')
  expect(err).toMatch(/^Carried over from old\.cfg: \d more; --verbose lists them\.$/m)
  expect(err).toContain('OIDC_CLIENT_SECRET  what client_secret says in line 2')
  expect(err).toContain('\nThe new file is good once the missing parts above exist.\n')
  expect(err).toEndWith('\nTry it on the log of what stands there now: sallyport rehearse access.log\n')
  expect(routes).toBeNull()
})

test('--out writes the new file, and never over another unless --force is there too', async () => {
  const fresh = await ran({ 'old.cfg': CFG }, 'old.cfg', '--out', 'routes.toml')
  expect(fresh.code).toBe(0)
  expect(fresh.out).toBe('')
  expect(fresh.routes).toContain('[[routes]]')
  const kept = await ran({ 'old.cfg': CFG, 'routes.toml': 'mine' }, 'old.cfg', '--out', 'routes.toml')
  expect(kept.code).toBe(1)
  expect(kept.err).toContain('routes.toml exists already')
  expect(kept.routes).toBe('mine')
  const forced = await ran({ 'old.cfg': CFG, 'routes.toml': 'mine' }, 'old.cfg', '--out', 'routes.toml', '--force')
  expect(forced.routes).toContain('[[routes]]')
  const text = fresh.routes ?? ''
  expect(await (await openFormatter())(text)).toEqual({ ok: true, text })
  const lost = await ran({ 'old.cfg': CFG }, 'old.cfg', '--out', 'none/routes.toml')
  expect([lost.code, lost.err]).toEqual([1, expect.stringContaining('mkdir -p none makes it')])
})

test('what a proxy in front needs is written beside the new file, never over another', async () => {
  const asked = CFG.replace('http://app:3000', 'static://202')
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'old.cfg'), asked)
  const run = (...argv: string[]) =>
    runIn(folder.path, io => runImport(['old.cfg', '--out', 'routes.toml', ...argv], io))
  const { err } = await run('--host', 'app.example.com')
  expect(err).toContain('Written to routes.toml and routes.nginx.conf.')
  expect(err).toMatch(/^ {4}- +proxy_pass http:\/\/127\.0\.0\.1:4180;\n {4}\+ +proxy_pass http:\/\/127\.0\.0\.1:9080/m)
  const front = readFileSync(join(folder.path, 'routes.nginx.conf'), 'utf8')
  expect(front).toContain('server_name app.example.com;')
  writeFileSync(join(folder.path, 'routes.nginx.conf'), 'mine')
  rmSync(join(folder.path, 'routes.toml'))
  const again = await run()
  expect([again.code, again.err]).toEqual([1, expect.stringContaining('routes.nginx.conf exists already')])
  expect(readFileSync(join(folder.path, 'routes.nginx.conf'), 'utf8')).toBe('mine')
  expect(existsSync(join(folder.path, 'routes.toml'))).toBe(false)
})

test('--force replaces a file at once, so that neither a reader nor a full disk finds half of it', async () => {
  using folder = temporaryFolder()
  const [out, before] = ['routes.toml', 'before'].map(name => join(folder.path, name))
  writeFileSync(join(folder.path, 'old.cfg'), CFG)
  writeFileSync(out ?? '', 'mine')
  linkSync(out ?? '', before ?? '')
  const argv = ['old.cfg', '--out', 'routes.toml', '--force']
  expect((await runIn(folder.path, io => runImport(argv, io))).code).toBe(0)
  expect(readFileSync(out ?? '', 'utf8')).toContain('[[routes]]')
  expect(readFileSync(before ?? '', 'utf8')).toBe('mine')
})

test('nothing is written beside a file that is there already', async () => {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'old.cfg'), CFG.replace('http://app:3000', 'static://202'))
  writeFileSync(join(folder.path, 'routes.toml'), 'mine')
  const { code } = await runIn(folder.path, io => runImport(['old.cfg', '--out', 'routes.toml'], io))
  expect([code, existsSync(join(folder.path, 'routes.nginx.conf'))]).toEqual([1, false])
})

test('a name and a password in an address are not copied, whatever the address is for', async () => {
  const old = `oidc_issuer_url = "https://me:s3cret-issuer@id.example.com/realm"
client_id = "gate"
redirect_url = "https://me:s3cret-redirect@app.example.com/oauth2/callback"
upstreams = ["http://me:p@s3cret@app:3000"]
email_domains = "*"
`
  const { out, err } = await ran({ 'old.cfg': old }, 'old.cfg', '--verbose')
  expect(out + err).not.toMatch(/s3cret/)
  expect(out).toContain('issuer = "https://${ADDRESS_LOGIN}@id.example.com/realm"')
  expect(out).toContain('host = "app.example.com"')
  expect(out).toContain(
    'upstream = { to = "http://app:3000", basic_auth = { user = "me", password = "${UPSTREAM_PASSWORD}" } }',
  )
  expect(err).toMatch(/^ {2}ADDRESS_LOGIN +the name and password before the @ in issuer$/m)
  const redirect = (to: string) => ({ handler: 'static_response', status_code: 302, headers: { Location: [to] } })
  const routes = ['a', 'b', 'c'].map(name => ({
    match: [{ host: [`${name}.example.com`] }],
    handle: [redirect(`https://${name}:s3cret-${name}@x.example.com{http.request.uri}`)],
  }))
  const json = caddyJson({ routes, provider: { base_auth_url: 'https://s3cret-token@id.example.com' } })
  const caddy = await ran({ 'caddy.json': json }, 'caddy.json', '--verbose')
  expect(caddy.out + caddy.err).not.toMatch(/s3cret/)
  for (const name of ['ADDRESS_LOGIN_2', 'ADDRESS_LOGIN_3', 'ADDRESS_LOGIN_4'])
    expect(caddy.out).toContain(`redirect = "https://\${${name}}@x.example.com{path}{query}"`)
})

test('what an application gets from Caddy is not copied, unless nobody takes it for a secret', async () => {
  const set = {
    'X-Gate': ['s3cret-gate'],
    'X-Access-Code': ['s3cret 1193'],
    'X-Forwarded-Prefix': ['/app'],
    'X-Scheme': ['https'],
    'X-Forwarded-Ssl': ['on'],
  }
  const routes = [
    {
      match: [{ path: ['/moved'] }],
      handle: [
        { handler: 'static_response', status_code: 302, headers: { Location: ['https://me:p/s3cret@x.example.com/'] } },
      ],
    },
    {
      handle: [
        {
          handler: 'reverse_proxy',
          upstreams: [{ dial: 'app:3000' }],
          headers: { request: { set } },
          health_checks: { active: { uri: '/up?token=s3cret&full=true' } },
        },
      ],
    },
  ]
  const { out, err } = await ran({ 'caddy.json': caddyJson({ routes }) }, 'caddy.json', '--verbose')
  expect(out + err).not.toMatch(/s3cret/)
  expect(out).toContain('health = { path = "/up?token=${HEALTH_TOKEN}&full=true" }')
  expect(out).toContain('X-Gate = "${HEADER_X_GATE}"')
  expect(out).toContain('X-Access-Code = "${HEADER_X_ACCESS_CODE}"')
  expect(out).toContain('X-Forwarded-Prefix = "/app"')
  expect(out).toContain('X-Scheme = "https"')
  expect(out).toContain('X-Forwarded-Ssl = "on"')
})

test('a login is copied to no place where a password with a slash, or an @, would end up in a path or a listener', async () => {
  const old = `oidc_issuer_url = "https://me:p/s3cret-issuer@id.example.com/realm"
client_id = "gate"
http_address = "http://me:s3cret-http@127.0.0.1:4180"
metrics_address = "me:s3cret/metrics@127.0.0.1:9100"
redirect_url = "https://me:p/s3cret-redirect@app.example.com/oauth2/callback"
upstreams = ["http://me:p/s3cret-slash@app:3000/", "http://me:p?s3cret-mark@app:3001/b/", "http://app:3002/@c/"]
session_store_type = "redis"
redis_connection_url = "redis://me:12/s3cret-redis@redis:6379/0"
email_domains = "*"
`
  const { out, err } = await ran({ 'old.cfg': old }, 'old.cfg', '--verbose')
  expect(out + err).not.toMatch(/s3cret/)
  for (const line of [
    'listen = ["127.0.0.1:4180"]',
    'admin = "127.0.0.1:9100"',
    'host = "app.example.com"',
    'path = "/@c"',
  ])
    expect(out).toContain(line)
  for (const port of [3000, 3001]) expect(out).toContain(`to = "http://app:${port}", basic_auth = { user = "me"`)
  expect(err).toMatch(/redis_connection_url: it cannot be said as one address/)
})

test('a broken line is named, and not shown: it may hold a secret', async () => {
  const { code, out, err } = await ran({ 'old.cfg': 'client_id = "a"\nclient_secret = s3cret\n' }, 'old.cfg')
  expect(code).toBe(1)
  expect(out).toBe('')
  expect(err).toContain('old.cfg:2:')
  expect(err).not.toContain('s3cret')
})

test('what cannot be imported is said in one sentence', async () => {
  const sentences: readonly (readonly [Readonly<Record<string, string>>, readonly string[], number, string])[] = [
    [{}, [], 2, 'import needs a file'],
    [{}, ['nothing.cfg'], 1, 'nothing.cfg does not exist'],
    [{ x: 'hello' }, ['x'], 1, 'looks like neither'],
    [{ 'x.yaml': 'x: 1\n' }, ['x.yaml'], 1, 'no --alpha-config'],
    [{ x: CFG }, ['x', '--from', 'nginx'], 2, '--from nginx is not known'],
  ]
  for (const [files, argv, code, sentence] of sentences) {
    const answer = await ran(files, ...argv)
    expect([answer.code, answer.out]).toEqual([code, ''])
    expect(answer.err).toContain(sentence)
  }
})
