import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createLog } from '../../../src/base/log.ts'
import type { Ports } from '../../../src/base/ports.ts'
import { runCheck } from '../../../src/cli/check.ts'
import { runInit } from '../../../src/cli/init/init.ts'
import { readUsers } from '../../../src/config/values/users-file.ts'
import type { Io } from '../../../src/console/io.ts'
import { forward } from '../../../src/console/network.ts'
import { runProgram } from '../../../src/console/process.ts'
import { verifyPassword } from '../../../src/identity/passwords/password.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { FROM_SOURCE } from '../../kit/programs/child.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { startProvider } from '../../kit/provider/provider.ts'

const SECRET = 's3cret-of-the-client'

const keep = untilTheEnd()
const provider = keep(
  await startProvider({
    clients: [
      { client_id: 'gate', client_secret: SECRET, redirect_uris: ['https://app.example.com/.sallyport/callback'] },
      { client_id: 'open' },
    ],
    accounts: [],
  }),
)

function portsFor(io: Io): Ports {
  return {
    ...commandPorts(io),
    forward,
    resolve: async () => [],
    run: runProgram,
    log: createLog({ now: Date.now, style: 'json', write: () => {} }),
  }
}

interface Written extends Ran {
  readonly routes: string | null
  readonly secret: string | null
  readonly secretMode: number | null
  /** What `sallyport check` says of it. */
  readonly isGood: boolean
  /** And what else. */
  readonly warnings: string
}

/** Runs the command without a terminal in a folder with these files. */
async function init(argv: readonly string[], files: Readonly<Record<string, string>> = {}): Promise<Written> {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const ran = await runIn(folder.path, io => runInit(argv, io, portsFor(io), null))
  const read = (name: string) => {
    const path = join(folder.path, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : null
  }
  const secretPath = join(folder.path, 'client-secret')
  const checked = await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))
  return {
    ...ran,
    routes: read('routes.toml'),
    secret: read('client-secret'),
    secretMode: existsSync(secretPath) ? statSync(secretPath).mode & 0o777 : null,
    isGood: checked.code === 0,
    warnings: checked.err,
  }
}

const PLACE = ['--host', 'app.example.com', '--upstream', 'http://app:3000']

const INSIDE = ['--internal-url', 'http://pocket-id:1411']

test.each<[string, string, readonly string[], string]>([
  ['without its address inside', 'id', [], 'name it with --issuer, and with --internal-url'],
  ['at the application’s host', 'app', INSIDE, 'give the provider a separate host'],
  ['at the portal’s host', 'auth', INSIDE, 'give the provider a separate host'],
  ['behind a proxy that asks', 'id', [...INSIDE, '--front', 'caddy'], 'a proxy of yours has the application'],
  ['at a port that nobody comes to', 'id.example.com:8443', INSIDE, 'browsers would come to https://id.example.com,'],
])('a route to the provider %s is told, and nothing is written', async (_, name, more, said) => {
  const issuer = `https://${name.includes('.') ? name : `${name}.example.com`}`
  const client = ['--client-id', 'x', '--public', '--portal', 'https://auth.example.com']
  const argv = [
    '--yes',
    '--offline',
    '--provider-route',
    '--issuer',
    issuer,
    '--everyone',
    ...client,
    ...more,
    ...PLACE,
  ]
  const { code, err, routes } = await init(argv)
  expect([code, routes]).toEqual([1, null])
  expect(err).toContain(said)
})

describe('a provider where everybody in the world can have an account', () => {
  const CLIENT = ['--client-id', 'x', '--client-secret-file', 'given', '--portal', 'https://auth.example.com']
  const at = (issuer: string, ...more: readonly string[]) =>
    init(['--yes', '--offline', '--issuer', issuer, ...CLIENT, ...more, ...PLACE], { given: 's3cret-of-the-client' })

  test.each<[issuer: string, table: string, members: string, written: string]>([
    ['google', 'issuer = "https://accounts.google.com"', 'ada@example.org', '[{ emails = ["ada@example.org"] }]'],
    ['https://accounts.google.com', '[providers.google]', '@example.org', '[{ domains = ["example.org"] }]'],
    [
      'github',
      'preset = "github"',
      'Ada@example.org, acme/ops',
      '[{ emails = ["ada@example.org"] }, { groups = ["acme/ops"] }]',
    ],
    ['https://github.com/', '[providers.github]', 'acme', '[{ groups = ["acme"] }]'],
    ['discord.com', 'preset = "discord"', '1234567', '[{ groups = ["1234567"] }]'],
  ])('%s: %s, for %s', async (issuer, table, members, written) => {
    const { code, err, routes, isGood, warnings } = await at(issuer, '--members', members)
    expect([code, err, isGood, warnings]).toEqual([0, '', true, ''])
    expect(routes).toContain(table)
    expect(routes).toContain(`members = ${written}`)
    expect(routes).toContain('user = { any = true }')
    if (table.startsWith('preset')) expect(routes).toContain('https://auth.example.com/.sallyport/callback/')
  })

  test('has to be said whose people may come, or that all may', async () => {
    const { code, err, routes } = await at('google')
    expect([code, routes]).toEqual([2, null])
    expect(err).toContain('--members LIST or --everyone')
    const all = await at('google', '--everyone')
    expect([all.code, all.isGood, all.warnings]).toEqual([0, true, ''])
    expect(all.routes).toContain('members = "authenticated"')
    const group = await at('github', '--group', 'acme')
    expect(group.routes).toContain('members = [{ groups = ["acme"] }]')
    expect(group.routes).toContain('user = { groups = ["acme"] }')
  })

  test.each([
    ['google', 'acme', 'is no address and no domain'],
    ['google', 'ada@', 'ada@'],
    ['github', 'acme,,ops', 'an entry is empty'],
  ])('%s takes no %s', async (issuer, members, said) => {
    const { code, err, routes } = await at(issuer, '--members', members)
    expect([code, routes]).toEqual([2, null])
    expect(err).toContain(said)
  })

  test('elsewhere nobody is asked, and may say so all the same', async () => {
    expect((await at('https://id.example.com', '--everyone')).routes).not.toContain('members')
    const said = await at('https://id.example.com', '--everyone', '--members', 'family,@example.org')
    expect(said.routes).toContain('members = [{ domains = ["example.org"] }, { groups = ["family"] }]')
    expect(said.isGood).toBe(true)
  })
})

const APP = ['--host', 'app.example.com', '--upstream', 'http://app:3000', '--offline', '--yes']
const AT_ID = [...APP, '--issuer', 'https://id.example.com', '--client-id', 'gate']

test.each([
  ['--group and --everyone', [...AT_ID, '--public', '--group', 'admins', '--everyone'], 2],
  ['--group and a file of users', [...APP, '--user', 'ada', '--group', 'admins'], 2],
  ['--users and --issuer', [...AT_ID, '--users'], 2],
  ['--public and a secret', [...AT_ID, '--everyone', '--public', '--client-secret-file', 'secret'], 2],
  ['a secret that is empty', [...AT_ID, '--everyone', '--client-secret-file', 'empty'], 1],
  ['a proxy of no such name', [...AT_ID, '--everyone', '--public', '--front', 'constructor'], 2],
])('%s: nothing is written', async (_, argv, code) => {
  const written = await init(argv, { secret: SECRET, empty: '\n' })
  expect([written.code, written.routes]).toEqual([code, null])
})

test('the route to a provider of another kind is written too, open to everybody', async () => {
  const client = ['--client-id', 'x', '--public', '--portal', 'own', '--everyone']
  const { code, routes, isGood } = await init([
    '--yes',
    '--offline',
    '--provider-route',
    '--issuer',
    'https://id.example.com/realms/main',
    ...client,
    ...INSIDE,
    ...PLACE,
  ])
  expect([code, isGood]).toEqual([0, true])
  expect(routes).toContain('host = "id.example.com"\nupstream = "http://pocket-id:1411"\nallow = "public"')
})

describe('init without a terminal', () => {
  test('names every flag that it would have asked for, and writes nothing', async () => {
    const { code, err, routes } = await init([])
    expect(code).toBe(2)
    expect(err).toContain(
      'missing: --users or --issuer, --host, --upstream, --portal, --group NAME or --everyone, --client-id, --client-secret-file or --public',
    )
    expect(routes).toBeNull()
  })

  test('writes a file that serves, with the secret beside it for its owner alone, and says what the provider says', async () => {
    const { code, out, routes, secret, secretMode, isGood } = await init(
      [
        '--issuer',
        provider.issuer,
        ...PLACE,
        '--portal',
        'own',
        '--group',
        'staff',
        '--client-id',
        'gate',
        '--client-secret-file',
        'given',
      ],
      { given: `${SECRET}\n` },
    )
    expect([code, isGood]).toEqual([0, true])
    expect(routes).toContain(`issuer = "${provider.issuer}"`)
    expect(routes).toContain('client_secret = "${file:client-secret}"')
    expect(routes).toContain('user = { groups = ["staff"] }')
    expect(routes).not.toContain('\nurl = ')
    expect(routes).not.toContain(SECRET)
    expect([secret, secretMode]).toEqual([`${SECRET}\n`, 0o600])
    expect(out).toContain('takes client_id and client_secret')
    expect(out).toContain('comes back to https://app.example.com/.sallyport/callback')
    expect(out).not.toContain(SECRET)
  })

  test('--yes takes what is usual, and still needs what nothing is usual for', async () => {
    const some = await init(['--yes', '--issuer', provider.issuer, '--client-id', 'open', '--public'])
    expect([some.code, some.routes]).toEqual([2, null])
    expect(some.err).toContain('missing: --host, --upstream\n')
    const all = await init(['--yes', '--issuer', provider.issuer, '--client-id', 'open', '--public', ...PLACE])
    expect([all.code, all.isGood, all.secret]).toEqual([0, true, null])
    expect(all.routes).toContain('user = { any = true }')
    expect(all.routes).not.toContain('client_secret')
  })

  test('a portal of its own, and addresses without their scheme', async () => {
    const { routes, isGood } = await init([
      '--yes',
      '--offline',
      '--issuer',
      'id.example.com',
      '--client-id',
      'gate',
      '--public',
      '--portal',
      'auth.example.com/',
      '--host',
      'app.example.com',
      '--upstream',
      'app:3000',
    ])
    expect(isGood).toBe(true)
    for (const line of [
      'issuer = "https://id.example.com"',
      'url = "https://auth.example.com"',
      'upstream = "http://app:3000"',
    ]) {
      expect(routes).toContain(line)
    }
  })

  test('overwrites neither the file nor the secret', async () => {
    for (const name of ['routes.toml', 'client-secret']) {
      const { code, err, routes, secret } = await init(['--yes', '--offline'], { [name]: 'mine' })
      expect([code, name === 'routes.toml' ? routes : secret]).toEqual([1, 'mine'])
      expect(err).toContain(`${name} exists already`)
    }
  })

  const slips: readonly (readonly [about: string, argv: readonly string[], code: number, say: string])[] = [
    ['an issuer on plain HTTP', ['--issuer', 'http://id.example.com'], 2, 'is not https'],
    ['a provider that does not answer', ['--issuer', 'http://127.0.0.1:9'], 2, 'cannot be reached'],
    [
      'a host that is an address',
      ['--offline', '--issuer', 'https://id.example.com', '--host', 'https://a'],
      2,
      'leave the scheme out',
    ],
    [
      'a secret that cannot be read',
      ['--offline', '--issuer', 'https://id.example.com', '--client-id', 'x', '--client-secret-file', 'none'],
      1,
      'none does not exist',
    ],
    [
      'a portal on plain HTTP',
      [
        '--offline',
        '--issuer',
        'https://id.example.com',
        '--client-id',
        'x',
        '--public',
        '--portal',
        'http://auth.example.com',
        ...PLACE,
      ],
      2,
      '--tls plain in a network of plain HTTP',
    ],
  ]
  for (const [about, argv, code, say] of slips) {
    test(`${about} is told, and nothing is written`, async () => {
      const ran = await init(['--yes', ...argv])
      expect([ran.code, ran.routes, ran.secret]).toEqual([code, null, null])
      expect(ran.err).toContain(say)
    })
  }
})

describe('init makes the client at Pocket ID', () => {
  for (const version of ['2.9', '2.14'] as const) {
    test(`${version} with an API key, and its secret`, async () => {
      await using there = await pocketId({ version })
      const { code, out, routes, secret, isGood } = await init(
        ['--yes', '--issuer', there.issuer, ...PLACE, '--api-key-file', 'key'],
        { key: `${there.apiKey}\n` },
      )
      const [, made] = [...there.clients.values()]
      expect([code, isGood, secret]).toEqual([0, true, `${made?.secrets[0]}\n`])
      expect(routes).toContain('[providers.pocket-id]')
      expect(routes).toContain(`client_id = "${made?.id}"`)
      expect(out).toContain(`Made at Pocket ID: the client ${made?.id}`)
      expect(made).toMatchObject({
        name: 'Sallyport (app.example.com)',
        callbackURLs: ['https://app.example.com/.sallyport/callback'],
        logoutCallbackURLs: ['https://app.example.com/.sallyport/signed-out'],
        launchURL: 'https://app.example.com',
        isPublic: false,
        pkceEnabled: true,
      })
    })
  }

  test('and says so where it gives out no secret', async () => {
    await using there = await pocketId({ version: '2.14', givesSecrets: false })
    const { code, out } = await init(['--yes', '--issuer', there.issuer, ...PLACE, '--api-key-file', 'key'], {
      key: there.apiKey,
    })
    expect(code).toBe(1)
    expect(out).toContain('make one for this client there, and put it into client-secret')
  })

  test('and leaves nothing behind where the key is refused', async () => {
    await using there = await pocketId({ version: '2.9' })
    const argv = ['--yes', '--issuer', there.issuer, ...PLACE, '--api-key-file', 'key']
    const { code, err, routes, secret } = await init(argv, { key: 'wrong' })
    expect([code, routes, secret]).toEqual([1, null, null])
    expect(err).toContain('Pocket ID does not take this API key')
    expect(err).not.toContain('wrong')
  })
})

/** Runs the program at a pseudo terminal, and types each answer once its question is there. */
async function talk(
  folder: string,
  dialogue: readonly (readonly [question: string, answer: string])[],
  argv: readonly string[] = [],
) {
  let screen = ''
  const child = Bun.spawn([...FROM_SOURCE, 'init', ...argv], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, TERM: 'xterm', NO_COLOR: '1' },
    terminal: {
      cols: 200,
      rows: 50,
      data: (_, data) => {
        screen += new TextDecoder().decode(data)
      },
    },
  })
  let from = 0
  for (const [question, answer] of dialogue) {
    await eventually(
      () => screen.indexOf(question, from) >= 0 || child.exitCode !== null,
      `it asks: ${question}\n${screen}`,
    )
    from = screen.indexOf(question, from) + question.length
    child.terminal?.write(answer)
  }
  const code = await child.exited
  child.terminal?.close()
  return { code, screen }
}

describe('init at a terminal', () => {
  test.each([
    ['yes', true],
    ['', false],
  ])('asks whether it leads to a provider that is reached inside: "%s"', async (said, hasRoute) => {
    using folder = temporaryFolder()
    const client = [
      '--client-id',
      'x',
      '--public',
      '--portal',
      'own',
      '--everyone',
      '--tls',
      'proxy',
      '--proxy-address',
      '10.0.0.2',
    ]
    const { code, screen } = await talk(
      folder.path,
      [
        ['Its name, or press Enter', '\r'],
        ['Who stands in front', '\r'],
        [
          'Shall Sallyport lead browsers to the provider too, from https://id.example.com to http://pocket-id:1411?',
          `${said}\r`,
        ],
        ['Shall editors complete', '\r'],
      ],
      ['--offline', '--issuer', 'https://id.example.com', ...client, ...INSIDE, ...PLACE],
    )
    expect([code, screen]).toEqual([0, expect.stringContaining('Written: routes.toml')])
    const routes = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(routes.includes('host = "id.example.com"\nupstream = "http://pocket-id:1411"')).toBe(hasRoute)
  })

  test('asks again after a slip, shows no secret, and writes what was answered', async () => {
    using folder = temporaryFolder()
    const { code, screen } = await talk(folder.path, [
      ['How do people sign in', 'http://127.0.0.1:9\r'],
      ['cannot be reached', ''],
      ['How do people sign in', `${provider.issuer}\r`],
      ['your first application', 'app.example.com:8080\r'],
      ['leave the port out', ''],
      ['your first application', 'app.example.com\r'],
      ['Is it one of these', 'kuma\r'],
      ['did you mean "uptime-kuma"?', ''],
      ['Its name, or press Enter', '\r'],
      ['Where it answers itself', 'app:3000\r'],
      ['Who stands in front', 'apache\r'],
      ['is none of them', ''],
      ['Who stands in front', '\r'],
      ['How will browsers come', 'ftp\r'],
      ['is none of them', ''],
      ['press Enter for proxy', '\r'],
      ['The address that this proxy comes from', '10.0.0.2\r'],
      ['An address of its own', '\r'],
      ['The group whose members', 'staff\r'],
      ['https://app.example.com/.sallyport/callback', ''],
      ['The client id', 'gate\r'],
      ['The client secret', `${SECRET}\r`],
      ['Shall editors complete', 'yes\r'],
    ])
    expect([code, screen]).toEqual([0, expect.stringContaining('Written: routes.toml')])
    expect(screen).not.toContain(SECRET)
    expect(screen.split('Cockpit:')).toHaveLength(2)
    expect(readFileSync(join(folder.path, 'client-secret'), 'utf8')).toBe(`${SECRET}\n`)
    const routes = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    for (const line of [
      '#:schema ./routes.schema.json\n',
      'trusted_proxies = ["10.0.0.2"]',
      'host = "app.example.com"',
      'upstream = "http://app:3000"',
      'user = { groups = ["staff"] }',
    ]) {
      expect(routes).toContain(line)
    }
    expect((await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))).code).toBe(0)
  }, 300_000)

  test('offers to make the client where the provider is Pocket ID', async () => {
    using folder = temporaryFolder()
    await using there = await pocketId({ version: '2.9' })
    const { code, screen } = await talk(
      folder.path,
      [
        ['Is it one of these', '\r'],
        ['Who stands in front', '\r'],
        ['How will browsers come', 'acme\r'],
        ['An e-mail address at which', '\r'],
        ['An address of its own', 'auth.example.com\r'],
        ['An API key of Pocket ID', `${there.apiKey}\r`],
        ['Shall editors complete', '\r'],
      ],
      ['--issuer', there.issuer, ...PLACE, '--everyone'],
    )
    expect([code, screen]).toEqual([0, expect.stringContaining('Made at Pocket ID: the client ')])
    expect(screen).not.toContain(there.apiKey)
    expect(readFileSync(join(folder.path, 'routes.toml'), 'utf8')).toContain('url = "https://auth.example.com"')
  }, 300_000)

  test('begins with a recipe, by plain HTTP and without a provider', async () => {
    using folder = temporaryFolder()
    const { code, screen } = await talk(folder.path, [
      ['press Enter', 'nothing\r'],
      ['your first application', 'kuma.lan\r'],
      ['Is it one of these', 'uptime-kuma\r'],
      ['such as http://app:3001', '\r'],
      ['An address is needed, such as http://127.0.0.1:3000', ''],
      ['such as http://app:3001', '10.0.0.5:3001\r'],
      // In a network of one's own, plain HTTP is what is usual.
      ['One of these, or press Enter for plain', '\r'],
      ['An address of its own for signing in, such as http://auth.lan:8080', 'in.lan\r'],
      ['The name by which you will sign in', 'a:da\r'],
      ['has a colon', ''],
      ['The name by which you will sign in', 'ada\r'],
      ['A password for it', 'short\r'],
      ['fewer than 8 characters', ''],
      ['A password for it', `${SECRET}\r`],
      ['Once more', `${SECRET}-not\r`],
      ['they differ', ''],
      ['A password for it', `${SECRET}\r`],
      ['Once more', `${SECRET}\r`],
    ])
    expect([code, screen]).toEqual([0, expect.stringContaining('sallyport user totp users.toml ada')])
    expect(screen).not.toContain(SECRET)
    expect(screen).not.toContain('user add')
    expect(screen).toContain('docs/passkeys.md')
    expect(screen).not.toContain("Passkeys are Pocket ID's")
    expect(screen).toContain('And open http://kuma.lan:8080/')
    const routes = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(routes).toContain('insecure_cookies = true')
    expect(routes).toContain('url = "http://in.lan:8080"')
    expect(screen).not.toContain('For a second application')
    expect(routes).toContain('host = "kuma.lan"\nupstream = "http://10.0.0.5:3001"\n')
    const path = join(folder.path, 'users.toml')
    const { entries, faults } = readUsers(path, readFileSync(path, 'utf8'))
    expect([faults, [...entries.keys()]]).toEqual([[], ['ada']])
    expect(await verifyPassword(SECRET, entries.get('ada')?.hash ?? '')).toBe(true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect([...new Bun.Glob('*').scanSync(folder.path)].sort()).toEqual(['routes.toml', 'users.toml'])
    expect((await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))).code).toBe(0)
  }, 300_000)

  test('that ends in the middle writes nothing', async () => {
    using folder = temporaryFolder()
    const { code, screen } = await talk(
      folder.path,
      [['your first application', '\u0004']],
      ['--issuer', provider.issuer],
    )
    expect([code, screen]).toEqual([1, expect.stringContaining('Nothing was written.')])
    expect(existsSync(join(folder.path, 'routes.toml'))).toBe(false)
  }, 300_000)
})
