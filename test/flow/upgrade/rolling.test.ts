import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { type Child, freePort, startChild } from '../../kit/programs/child.ts'
import { startHaproxy } from '../../kit/programs/front.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { type Ask, askOn, type Load, onKept, onNew } from '../../kit/upgrade/load.ts'

const CHAPTER = readFileSync(join(import.meta.dir, '../../../docs/as-a-service.md'), 'utf8')

function block(language: string): string {
  const [, text] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(CHAPTER) ?? []
  if (text === undefined) throw new Error(`docs/as-a-service.md has no ${language}`)
  return text
}

const keep = untilTheEnd()
const provider = keep(
  await startProviderFor([{ sub: 'ada', name: 'Ada', email: 'ada@example.com', email_verified: true, groups: [] }]),
)
const upstream = keep(
  Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: async request => new Response(request.method === 'POST' ? await request.text() : 'here'),
  }),
)

needs('haproxy').test(
  'two of the chapter’s containers behind its HAProxy are replaced one after the other, and no request fails',
  async () => {
    using folder = temporaryFolder()
    const port = await freePort()
    const places = [
      { name: 'a', address: '172.30.9.11:8080', port: await freePort() },
      { name: 'b', address: '172.30.9.12:8080', port: await freePort() },
    ]
    const data = join(folder.path, 'data')
    mkdirSync(data)
    provider.allowRedirect(`http://auth.localhost:${port}/.sallyport/callback`)
    const toml = `trusted_proxies = ["127.0.0.1"]
access_log = false
${providerTable({ ...provider, clientSecret: '${GATE_SECRET}' })}
[portals.home]
url = "http://auth.localhost:${port}"
providers = ["id"]
${EVERYONE}
${routeForUsers(upstream, 'users.localhost')}
${routeTo(upstream, 'app.example', 'allow = "public"')}`
    const start = async ({ name, port: own }: (typeof places)[number]): Promise<Child> => {
      const at = join(folder.path, name)
      mkdirSync(at, { recursive: true })
      const env = { SALLYPORT_DATA: data, GATE_SECRET: 'gate-secret' }
      return startChild({ command: [await compiledBinary()], folder: at, port: own, toml, env })
    }
    const stats = join(folder.path, 'haproxy.sock')
    const configuration = places.reduce(
      (text, { address, port: own }) => text.replace(address, `127.0.0.1:${own}`),
      `global\n  stats socket ${stats}\n${block('haproxy').replace('bind :8080', `bind 127.0.0.1:${port}`)}`,
    )
    const running = new Map<string, Child>()
    try {
      for (const place of places) running.set(place.name, await start(place))
      await using _front = await startHaproxy(folder.path, port, configuration)
      for (const { name } of places)
        await eventually(async () => (await stateOf(stats, name)) === 'UP', `${name} is up`)

      const at = `127.0.0.1:${port}`
      const browser = new BrowserLite({ hosts: { [`auth.localhost:${port}`]: at, [`users.localhost:${port}`]: at } })
      const users = `http://users.localhost:${port}/`
      expect((await browser.signIn(users, 'ada')).text).toBe('here')
      const post: Ask = () =>
        fetch(`http://${at}/`, {
          method: 'POST',
          headers: { host: 'app.example', connection: 'close' },
          keepalive: false,
          body: 'here',
        }).then(one => one.text())
      const askers: readonly (readonly [Ask, number?])[] = [
        ...Array.from({ length: 6 }, () => [onKept(port)] as const),
        ...Array.from({ length: 3 }, () => [onNew(port)] as const),
        // Seldom: HAProxy knows a gate that stops by its closed listener alone, and sends no POST twice. One whose connection
        // still waited to be accepted at that moment is lost.
        [post, 50],
        [async () => (await browser.open(users)).text, 5],
      ]
      const load: Load = { asked: 0, failures: [] }
      let isOver = false
      const done = Promise.all(askers.map(([ask, pauseMs]) => askOn(load, () => isOver, ask, pauseMs)))
      await eventually(() => load.asked > 1000, 'the load is there')
      for (const place of places) {
        const old = running.get(place.name)
        old?.process.kill('SIGTERM')
        expect(await old?.process.exited).toBe(0)
        running.set(place.name, await start(place))
        await eventually(async () => (await stateOf(stats, place.name)) === 'UP', `${place.name} is up again`)
        const before = load.asked
        await eventually(() => load.asked > before + 500, 'the load goes on')
      }
      isOver = true
      await done
      expect(load.failures).toEqual([])
      expect((await browser.open(users)).text).toBe('here')
    } finally {
      for (const child of running.values()) await child[Symbol.asyncDispose]()
    }
  },
  300_000,
)

test('the compose file has the addresses of haproxy.cfg, one volume, and time to drain', () => {
  const { services, networks } = Bun.YAML.parse(block('yaml')) as {
    readonly services: Readonly<
      Record<
        'a' | 'b' | 'haproxy',
        {
          readonly volumes: readonly string[]
          readonly stop_grace_period: string
          readonly networks: { readonly gate: { readonly ipv4_address: string } }
        }
      >
    >
    readonly networks: { readonly gate: { readonly ipam: { readonly config: readonly [{ readonly subnet: string }] } } }
  }
  const { a, b, haproxy } = services
  const servers = [...block('haproxy').matchAll(/server \w (\S+):8080/g)].map(([, address]) => address)
  expect([a, b].map(one => one.networks.gate.ipv4_address)).toEqual(servers as string[])
  expect([a.volumes, a.stop_grace_period]).toEqual([b.volumes, b.stop_grace_period])
  expect(Number.parseInt(a.stop_grace_period, 10)).toBeGreaterThan(10)
  expect(CHAPTER).toContain(`trusted_proxies = ["${haproxy.networks.gate.ipv4_address}"]`)
  expect(networks.gate.ipam.config[0].subnet).toBe('172.30.9.0/24')
})

/** What HAProxy says of a server of its backend: UP, DOWN, …; null where it does not answer. */
function stateOf(socketPath: string, server: string): Promise<string | null> {
  return new Promise(resolve => {
    let text = ''
    const socket = connect(socketPath, () => socket.write('show stat\n'))
    socket.on('data', part => {
      text += part
    })
    socket.on('error', () => resolve(null))
    socket.on('end', () => {
      const [head = '', ...lines] = text.trim().split('\n')
      const column = head.split(',').indexOf('status')
      const line = lines
        .map(one => one.split(','))
        .find(([backend, name]) => backend === 'sallyport' && name === server)
      resolve(line?.[column] ?? null)
    })
  })
}
