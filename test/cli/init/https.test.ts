import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCheck } from '../../../src/cli/check.ts'
import { openFormatter } from '../../../src/cli/fmt.ts'
import { COMING_KINDS } from '../../../src/cli/init/https.ts'
import { runInit } from '../../../src/cli/init/init.ts'
import { RECIPE_NAMES } from '../../../src/cli/recipe/recipe.ts'
import { runUser } from '../../../src/cli/user/user.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/resolve/config.ts'
import type { Io } from '../../../src/console/io.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { startTellingApp } from '../../kit/applications/telling-app.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { fakeClock, quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { plant } from '../../kit/log/planted.ts'
import { freePort } from '../../kit/programs/child.ts'
import { serveInProcess } from '../../kit/serve.ts'

const CLIENT = ['--offline', '--issuer', 'https://id.lan.test', '--client-id', 'gate', '--public', '--everyone']
const PLACE = ['--host', 'wiki.lan.test', '--upstream', 'http://127.0.0.7:4567', '--portal', 'own']

/** A certificate of one's own, and what tells of it. */
const issued = makeAuthority().issue('DNS:wiki.lan.test')
const OWN = ['--tls', 'files', '--cert', 'own.pem', '--key', 'own-key.pem']

function writeCertificate(folder: string): void {
  writeFileSync(join(folder, 'own.pem'), issued.cert)
  writeFileSync(join(folder, 'own-key.pem'), issued.key)
}

function init(folder: string, ...argv: readonly string[]): Promise<Ran> {
  return runIn(folder, io => runInit(argv, io, commandPorts(io), null))
}

function load(folder: string): Config {
  const path = join(folder, 'routes.toml')
  const loaded = loadConfig(path, { readText, readBytes, env: () => undefined, now: Date.now })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics))
  return loaded.config
}

describe('init asks how browsers come', () => {
  test('by Sallyport’s own HTTPS', async () => {
    using folder = temporaryFolder()
    const { code, out } = await init(folder.path, ...CLIENT, ...PLACE, '--tls', 'acme', '--email', 'me@lan.test')
    expect([code, out]).toEqual([0, expect.stringContaining('And open https://wiki.lan.test/')])
    const { server, tls, portals } = load(folder.path)
    expect(server.listen).toMatchObject([{ host: '0.0.0.0', port: 80 }])
    expect(tls).toMatchObject({ listen: [{ host: '0.0.0.0', port: 443 }], acme: { email: 'me@lan.test' } })
    expect(portals.get('home')?.insecureCookies).toBe(false)
  })

  test.each([
    { argv: [], listen: '0.0.0.0', trusted: [] },
    { argv: ['--tls', 'proxy', '--proxy-address', '10.0.0.2'], listen: '0.0.0.0', trusted: ['10.0.0.2/32'] },
    { argv: ['--tls', 'proxy', '--proxy-address', '127.0.0.1'], listen: '127.0.0.1', trusted: ['127.0.0.1/32'] },
  ])('by a proxy in front: $argv', async ({ argv, listen, trusted }) => {
    using folder = temporaryFolder()
    expect((await init(folder.path, ...CLIENT, ...PLACE, ...argv)).code).toBe(0)
    const { server, tls } = load(folder.path)
    expect([server.trustedProxies, tls]).toEqual([trusted, null])
    expect(server.listen).toMatchObject([{ host: listen, port: 8080 }])
  })

  test('by plain HTTP, for which the callback and a portal of its own are written', async () => {
    using folder = temporaryFolder()
    const { code, out } = await init(
      folder.path,
      ...CLIENT,
      ...PLACE,
      '--tls',
      'plain',
      '--portal',
      'auth.lan.test:8080',
    )
    expect([code, out]).toEqual([0, expect.stringContaining('And open http://wiki.lan.test:8080/')])
    const home = load(folder.path).portals.get('home')
    expect([home?.insecureCookies, home?.url?.scheme, home?.url?.authority]).toEqual([
      true,
      'http',
      'auth.lan.test:8080',
    ])
    const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(text).toContain('Registered at the provider: http://auth.lan.test:8080/.sallyport/callback')
  })

  test('by certificates of one’s own, at the port that is said', async () => {
    using folder = temporaryFolder()
    writeCertificate(folder.path)
    const { code, out } = await init(folder.path, ...CLIENT, ...PLACE, ...OWN, '--port', '8443')
    expect([code, out]).toEqual([0, expect.stringContaining('And open https://wiki.lan.test:8443/')])
    const { server, tls, portals } = load(folder.path)
    // Port 80 is none that was asked for, and perhaps none that this user may open.
    expect(server.listen).toEqual([])
    expect(tls).toMatchObject({ listen: [{ host: '0.0.0.0', port: 8443 }], acme: null })
    expect(portals.get('home')?.insecureCookies).toBe(false)
    const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(text).toContain('certificates = [{ cert = "own.pem", key = "own-key.pem" }]')
    expect(text).toContain('Registered at the provider: https://wiki.lan.test:8443/.sallyport/callback')
  })

  test('by certificates of one’s own at the usual port, to which plain HTTP is sent on', async () => {
    using folder = temporaryFolder()
    writeCertificate(folder.path)
    expect((await init(folder.path, ...CLIENT, ...PLACE, ...OWN)).code).toBe(0)
    const { server, tls } = load(folder.path)
    expect(server.listen).toMatchObject([{ host: '0.0.0.0', port: 80 }])
    expect(tls).toMatchObject({ listen: [{ host: '0.0.0.0', port: 443 }], redirectHttp: true })
  })

  test.each([
    [['--portal', 'http://auth.lan.test'], 'http://auth.lan.test:9000'],
    [['--portal', 'auth.lan.test:80'], 'http://auth.lan.test'],
    [['--portal', 'own'], 'http://wiki.lan.test:9000'],
  ] as const)('by plain HTTP at another port, with %j', async (argv, place) => {
    using folder = temporaryFolder()
    const { code } = await init(
      folder.path,
      ...CLIENT,
      ...PLACE.slice(0, 4),
      '--tls',
      'plain',
      '--port',
      '9000',
      ...argv,
    )
    expect([code, load(folder.path).server.listen]).toMatchObject([0, [{ host: '0.0.0.0', port: 9000 }]])
    const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(text).toContain(`Registered at the provider: ${place}/.sallyport/callback`)
  })

  test.each([
    ['app.localhost', true],
    ['app.lan', false],
    ['app.example.com', false],
  ])('unasked, %s is plain HTTP: %p', async (host, isPlain) => {
    using folder = temporaryFolder()
    expect((await init(folder.path, ...CLIENT, '--host', host, '--upstream', 'app:1', '--portal', 'own')).code).toBe(0)
    expect(load(folder.path).portals.get('home')?.insecureCookies).toBe(isPlain)
  })

  test.each([
    [['--tls', 'acme', '--port', '90'], 1, '--tls files or proxy'],
    [['--tls', 'plain', '--port', '65536'], 2, 'is no port'],
    [['--tls', 'files', '--cert', 'none.pem', '--key', 'none.pem'], 2, 'none.pem does not exist'],
    [['--tls', 'files'], 2, 'missing: --cert, --key'],
    [['--upstream', ''], 2, 'An address is needed, such as http://127.0.0.1:3000'],
    [['--upstream', '3000'], 2, 'before a port goes its host: "http://localhost:3000"'],
    [['--tls', 'ftp'], 2, 'one of acme, files, proxy, plain'],
    [['--tls', 'proxy', '--proxy-address', 'proxy'], 2, 'is not a network'],
    [['--tls', 'acme', '--email', 'me'], 2, 'is not an e-mail address'],
    [['--recipe', 'kuma'], 2, 'did you mean "uptime-kuma"?'],
    [['--recipe', 'grafana', '--front', 'nginx'], 1, 'leave --recipe or --front out'],
  ] as const)('%j is told, and nothing is written', async (argv, code, say) => {
    using folder = temporaryFolder()
    const ran = await init(folder.path, ...CLIENT, ...PLACE, ...argv)
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(say)])
    expect(readdirSync(folder.path)).toEqual([])
  })
})

test.each(COMING_KINDS)('what init writes is formatted: --tls %s', async kind => {
  using folder = temporaryFolder()
  writeCertificate(folder.path)
  const own = kind === 'files' ? [...OWN, '--port', '8443'] : ['--tls', kind]
  expect((await init(folder.path, ...CLIENT, ...PLACE, ...own)).code).toBe(0)
  const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
  expect(await (await openFormatter())(text)).toEqual({ ok: true, text })
})

describe('init begins with a recipe', () => {
  test.each(RECIPE_NAMES.flatMap(name => (['acme', 'proxy', 'plain'] as const).map(kind => [name, kind] as const)))(
    '%s, by %s',
    async (name, kind) => {
      using folder = temporaryFolder()
      const ran = await init(folder.path, ...CLIENT, ...PLACE, '--tls', kind, '--recipe', name)
      expect([ran.code, ran.err]).toEqual([0, ''])
      const { routes } = load(folder.path)
      expect(new Set(routes.map(({ host }) => host))).toEqual(new Set(['wiki.lan.test']))
      const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
      expect(text).not.toMatch(/app\.example\.com|http:\/\/app:/)
      if (kind === 'plain') expect(text).not.toContain('https://wiki.lan.test')
    },
  )
})

test.each(['grafana', 'paperless-ngx', 'radicale'])(
  'people of a file have no address: the recipe for %s tells their name',
  async name => {
    using folder = temporaryFolder()
    const { code } = await init(folder.path, '--users', ...PLACE, '--recipe', name, '--yes')
    expect(code).toBe(0)
    const text = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(text).not.toContain('{email}')
    expect(text).toContain('= "{preferred_username}"')
  },
)

describe('a second application is one table more', () => {
  const FILE = ['--user', 'ada', '--upstream', '127.0.0.1:1', '--yes', '--tls', 'plain']
  const add = (folder: string, host: string) => {
    const path = join(folder, 'routes.toml')
    const table = `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:2"\nportal = "home"\nallow = ["user"]\n`
    writeFileSync(path, `${readFileSync(path, 'utf8')}\n${table}`)
    return loadConfig(path, { readText, readBytes, env: () => undefined, now: Date.now })
  }

  test.each([
    [[], 'http://auth.localhost:8080'],
    [['--port', '80'], 'http://auth.localhost'],
    [['--portal', 'in.localhost'], 'http://in.localhost:8080'],
  ] as const)('on this machine, where the portal has a url: %j', async (argv, url) => {
    using folder = temporaryFolder()
    const { code, out } = await init(folder.path, ...FILE, '--host', 'app.localhost', ...argv)
    expect([code, out]).toEqual([0, expect.stringContaining(`The admin page: ${url}/.sallyport/admin\n`)])
    expect(readFileSync(join(folder.path, 'routes.toml'), 'utf8')).toContain(`url = "${url}"`)
    expect(add(folder.path, 'wiki.localhost')).toMatchObject({ ok: true })
  })

  test('in a network of one’s own, where the file has the line of a url to uncomment', async () => {
    using folder = temporaryFolder()
    const { code, out } = await init(folder.path, ...FILE, '--host', 'app.home.arpa')
    expect([code, out]).toEqual([
      0,
      expect.stringContaining(
        'For a second application: let a second name lead here, such as auth.home.arpa, and uncomment url in routes.toml.\n',
      ),
    ])
    const checked = await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))
    expect(checked.err).toContain('write url = "http://auth.home.arpa:8080" in [portals.home]')
    const path = join(folder.path, 'routes.toml')
    expect(add(folder.path, 'wiki.home.arpa').ok).toBe(false)
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('# url = "http://auth.home.arpa:8080"', 'url = "http://auth.home.arpa:8080"'),
    )
    expect(load(folder.path).portals.get('home')?.url?.authority).toBe('auth.home.arpa:8080')
  })

  test.each([
    [['--front', 'nginx'], 'behind a proxy that asks'],
    [['--portal', 'own'], 'where somebody says so'],
  ])('not %j, %s', async argv => {
    using folder = temporaryFolder()
    const { code, out } = await init(folder.path, ...FILE, '--host', 'app.localhost', ...argv)
    expect([code, out.includes('For a second application')]).toEqual([0, !argv.includes('--portal')])
    expect(load(folder.path).portals.get('home')?.url ?? null).toBeNull()
  })
})

test('a portal by certificates of one’s own has the port that is listened on', async () => {
  using folder = temporaryFolder()
  writeCertificate(folder.path)
  const place = ['--host', 'wiki.lan.test', '--upstream', '127.0.0.1:1', '--user', 'ada', '--yes', '--port', '8443']
  const { code, out } = await init(folder.path, ...place, ...OWN, '--portal', 'https://auth.lan.test')
  expect([code, out]).toEqual([
    0,
    expect.stringContaining('The admin page: https://auth.lan.test:8443/.sallyport/admin\n'),
  ])
  expect(load(folder.path).portals.get('home')?.url?.authority).toBe('auth.lan.test:8443')
})

test('with --schema, editors find the schema beside it', async () => {
  using folder = temporaryFolder()
  const { code, out } = await init(folder.path, ...CLIENT, ...PLACE, '--schema')
  expect([code, out]).toEqual([0, expect.stringContaining('Written: routes.toml, routes.schema.json')])
  expect(readFileSync(join(folder.path, 'routes.toml'), 'utf8')).toStartWith('#:schema ./routes.schema.json\n')
  const schema = JSON.parse(readFileSync(join(folder.path, 'routes.schema.json'), 'utf8'))
  expect(Object.keys(schema.properties)).toContain('routes')
})

test('without a provider, two commands and no question lead from a bare folder to the first page', async () => {
  using folder = temporaryFolder()
  await using app = await startTellingApp(['app'])
  const argv = [
    '--user',
    'ada',
    '--tls',
    'plain',
    '--host',
    'app.lan.test',
    '--upstream',
    `http://127.0.0.1:${app.portOf('app')}`,
  ]
  const first = await init(folder.path, ...argv, '--yes')
  const password = /^The password of ada, which is shown this once: ([a-z2-9]{5}(?:-[a-z2-9]{5}){3})$/m.exec(
    first.out,
  )?.[1]
  if (password === undefined) throw new Error(`no password in ${first.out}`)
  plant(password, 'a password')
  expect([first.code, first.err, first.out.split(password).length]).toEqual([0, '', 2])
  expect(first.out).toContain('Written: routes.toml, and users.toml beside it')
  expect(first.out).toContain('Then: sallyport serve\n')
  expect(first.out).not.toContain('\n\n')

  const { origin, browser, stop } = await serve(folder.path)
  try {
    const form = await browser.open(`${origin}/deep?x=1`)
    const page = await browser.submit(form, { name: 'ada', password })
    expect([page.response.status, page.address.href]).toEqual([200, `${origin}/deep?x=1`])
    // The first user is an admin, by name.
    expect((await browser.open(`${origin}/.sallyport/admin`)).text).toContain('Administration')
  } finally {
    await stop()
  }
})

test('where nobody was named, a third command adds whoever may', async () => {
  using folder = temporaryFolder()
  await using app = await startTellingApp(['app'])
  const password = plantedPassword()
  const upstream = `http://127.0.0.1:${app.portOf('app')}`
  const first = await init(
    folder.path,
    '--users',
    '--tls',
    'plain',
    '--host',
    'app.lan.test',
    '--upstream',
    upstream,
    '--yes',
  )
  expect([first.code, first.out]).toEqual([0, expect.stringContaining('Then: sallyport user add users.toml NAME')])
  const source = { terminal: null, readInput: async () => `${password}\n` }
  const add = (io: Io) => runUser(['add', 'users.toml', 'ada'], io, source, quietPorts(fakeClock()))
  expect((await runIn(folder.path, add)).code).toBe(0)
  const { origin, browser, stop } = await serve(folder.path)
  try {
    const page = await browser.submit(await browser.open(`${origin}/`), { name: 'ada', password })
    expect([page.response.status, page.address.href]).toEqual([200, `${origin}/`])
  } finally {
    await stop()
  }
})

test.each<[string, readonly string[], Readonly<Record<string, string>>, number, string]>([
  ['whose name is none', ['--user', 'a:da'], {}, 2, 'has a colon'],
  ['beside a provider', ['--user', 'ada', '--issuer', 'https://id.example.com'], {}, 2, '--issuer for a provider'],
  [
    'where there are people already',
    ['--user', 'ada'],
    { 'users.toml': `[[users]]\nid = "id-of-bob"\nname = "bob"\nhash = "$2y$05$${'a'.repeat(53)}"\n` },
    1,
    'users.toml exists already',
  ],
])('a first person %s is told, and nothing is written', async (_, argv, files, code, says) => {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const ran = await init(folder.path, ...argv, ...PLACE, '--yes')
  expect([ran.code, ran.out, ran.err.includes(says) || ran.err]).toEqual([code, '', true])
  expect([...new Bun.Glob('*').scanSync(folder.path)]).toEqual(Object.keys(files))
})

/** The file of a folder, served at a port of the test's own, and a browser that knows its host. */
async function serve(folder: string) {
  const port = await freePort()
  const path = join(folder, 'routes.toml')
  // In the place of 8080 everywhere.
  const text = readFileSync(path, 'utf8').replaceAll('0.0.0.0:8080', `127.0.0.1:${port}`)
  writeFileSync(path, text.replace('admin = "127.0.0.1:9464"', 'admin = "127.0.0.1:0"'))
  const gate = await serveInProcess(path)
  const browser = new BrowserLite({
    hosts: { [`app.lan.test:${port}`]: `127.0.0.1:${port}` },
    // Browsers say nothing of these by plain HTTP.
    headers: { 'sec-fetch-mode': '', 'sec-fetch-dest': '' },
  })
  return { origin: `http://app.lan.test:${port}`, browser, stop: () => gate.stop() }
}

function plantedPassword(): string {
  const password = 'a-long-password-of-ada'
  plant(password, 'a password')
  return password
}
