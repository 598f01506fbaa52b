import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { buildImage, type Container, type Image, runContainer } from '../../kit/programs/container.ts'
import { routeTo } from '../../kit/toml.ts'
import { httpResponse, type RawUpstream, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const ROOT = join(import.meta.dir, '../../..')
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8')

interface Service {
  readonly image: string
  readonly pull_policy: string
  readonly volumes: readonly string[]
  readonly read_only: boolean
  readonly stop_grace_period: string
  readonly healthcheck?: unknown
}

const composed = Bun.YAML.parse(read('docs/compose.yaml')) as {
  readonly services: { readonly sallyport: Service }
  readonly volumes: Readonly<Record<string, unknown>>
}
const { sallyport: service } = composed.services
const volumes = service.volumes.map(text => text.split(':'))

describe('the compose file', () => {
  test('keeps the data in a volume, the file read-only, and takes no image from elsewhere', () => {
    expect(volumes).toEqual([
      ['./sallyport', '/etc/sallyport', 'ro'],
      ['data', '/data'],
    ])
    expect(Object.keys(composed.volumes)).toEqual(['data'])
    expect([service.image, service.pull_policy, service.read_only]).toEqual(['sallyport', 'never', true])
  })

  test('lets requests finish: the engine waits longer than a drain takes', () => {
    const drain = /^\| `drain` \| duration \| `"(\d+)s"`/m.exec(read('docs/keys.md'))?.[1]
    expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(Number(drain))
  })
})

needs('buildah', 'mounts of its own').describe('the container', () => {
  let image: Image
  let upstream: RawUpstream
  beforeAll(async () => {
    image = await buildImage()
    upstream = await startRawUpstream([httpResponse(200, 'from upstream')])
  }, 900_000)
  afterAll(async () => {
    image?.[Symbol.dispose]()
    await upstream.close()
  })

  /** A place for `docker compose up`: a folder for the file, which the container may read alone, and an empty volume. */
  async function place(more = '') {
    const folder = temporaryFolder()
    const [files, data] = [join(folder.path, 'sallyport'), join(folder.path, 'data')]
    for (const path of [files, data]) mkdirSync(path)
    // A new volume takes over the owner of the folder that it is mounted on.
    const { uid, gid } = statSync(join(image.root, 'data'))
    chownSync(data, uid, gid)
    const [port, admin] = [await freePort(), await freePort()]
    const route = routeTo(upstream, 'open.example', 'allow = "public"')
    const save = (text: string) => writeFileSync(join(files, 'routes.toml'), text)
    save(`[server]\nlisten = ["127.0.0.1:${port}"]\n${more}\n${route}`)
    const run = (command?: readonly string[]) =>
      runContainer(image, {
        mounts: volumes.map(([from = '', to = '', mode]) => ({
          from: from === 'data' ? data : join(folder.path, from),
          to,
          isReadOnly: mode === 'ro',
        })),
        isReadOnly: service.read_only,
        // The image's own port is the same for all who test on this machine.
        env: { SALLYPORT_ADMIN: `127.0.0.1:${admin}` },
        ...(command === undefined ? {} : { command }),
      })
    return { files, data, port, run, [Symbol.dispose]: () => folder[Symbol.dispose]() }
  }

  const isListening = async (container: Container) => {
    let isOver = false
    void container.exited.then(() => {
      isOver = true
    })
    await eventually(() => container.output().includes('Sallyport is listening') || isOver, 'it listens')
    expect(container.output()).toContain('Sallyport is listening')
  }

  test('is nobody’s root, keeps its data in /data, and says how its health is asked', () => {
    const { config } = image
    expect([config.User, Object.keys(config.Volumes), config.WorkingDir]).toEqual(['65532:65532', ['/data'], '/data'])
    expect(config.Env).toContain('SALLYPORT_DATA=/data')
    expect(config.Env).toContain('SALLYPORT_ADMIN=127.0.0.1:9464')
    const inSeconds = (seconds: number) => seconds * 1e9
    expect(config.Healthcheck).toMatchObject({
      Test: ['CMD', '/usr/local/bin/sallyport', 'health'],
      Interval: inSeconds(10),
      Timeout: inSeconds(3),
      StartPeriod: inSeconds(5),
    })
    // podman-compose makes a shell's command of a list, and there is no shell: the image's own counts.
    expect(service.healthcheck).toBeUndefined()
  })

  test('starts with a routes.toml that says nothing of it, and stops when it is told to', async () => {
    using here = await place()
    const container = await here.run()
    await using _ = container
    await isListening(container)
    const status = readFileSync(`/proc/${container.pid}/status`, 'utf8')
    expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m)
    expect(status).toMatch(/^NSpid:.*\t1$/m)
    expect(status).toMatch(/^CapEff:\t0+$/m)
    const answer = await sendRaw(here.port, 'GET / HTTP/1.1\r\nHost: open.example\r\nConnection: close\r\n\r\n')
    expect([answer.status, answer.body.toString()]).toEqual([200, 'from upstream'])
    expect(readdirSync(here.data)).toEqual(expect.arrayContaining(['sallyport.db', 'sallyport.key']))
    expect(readdirSync(here.files)).toEqual(['routes.toml'])

    const [, ...check] = image.config.Healthcheck.Test
    const healthy = await here.run(check)
    await using _healthy = healthy
    expect([await healthy.exited, healthy.output()]).toEqual([0, ''])
    const listing = await here.run(['/usr/local/bin/sallyport', 'sessions', 'list'])
    await using _listing = listing
    expect([await listing.exited, listing.output()]).toEqual([0, 'No user is signed in.\n'])

    process.kill(container.pid, 'SIGTERM')
    expect(await container.exited).toBe(0)
    const unhealthy = await here.run(check)
    await using _unhealthy = unhealthy
    expect(await unhealthy.exited).toBe(1)
  }, 300_000)

  test('stops all of its workers, too', async () => {
    using here = await place('workers = 2')
    const container = await here.run()
    await using _ = container
    await isListening(container)
    process.kill(container.pid, 'SIGTERM')
    expect(await container.exited).toBe(0)
  }, 300_000)

  test('says which line to add where the file wants its database beside it', async () => {
    using here = await place('[sessions]\nstore = "sqlite:sallyport.db"')
    const container = await here.run()
    await using _ = container
    expect(await container.exited).toBe(1)
    expect(container.output()).toContain('/etc/sallyport/sallyport.db cannot be opened')
    expect(container.output()).toContain('store = "sqlite:/data/sallyport.db"')
  }, 300_000)

  test('says whom a secret has to be given to, and then reads it', async () => {
    using here = await place(
      '[providers.id]\nissuer = "http://127.0.0.1:9"\nclient_id = "gate"\nclient_secret = "${file:client-secret}"',
    )
    const secret = join(here.files, 'client-secret')
    writeFileSync(secret, 'a secret\n')
    chmodSync(secret, 0o600)
    const refused = await here.run()
    await using _refused = refused
    expect(await refused.exited).toBe(1)
    expect(refused.output()).toContain('may not be read by this user')
    expect(refused.output()).toContain('chown 65532')
    chownSync(secret, 65_532, -1)
    const container = await here.run()
    await using _ = container
    await isListening(container)
  }, 300_000)
})
