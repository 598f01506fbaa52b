import { test as always, expect } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { eventually, type Gate, type GateOptions, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type Pebble, startPebble } from '../../kit/programs/pebble.ts'
import { metricOf, metricsOf } from '../../kit/requests.ts'
import { certificateFor, secureFetch } from '../../kit/wire/tls.ts'

const { test } = needs('pebble')

const acmeTimers = { lookMs: 50, refusedMs: 500, unreachableMs: 100 }

const route = (host: string) =>
  `[[routes]]\nhost = "${host}"\nrespond = { body = "hello from ${host}" }\nallow = "public"\n`

interface Stand extends AsyncDisposable {
  readonly httpPort: number
  readonly securePort: number
  readonly pebble: Pebble
  toml(...hosts: readonly string[]): string
  open(toml: string, options?: GateOptions): Promise<Gate>
}

async function openStand(
  options: { lifetimeS?: number; blocked?: readonly string[]; isDown?: boolean } = {},
): Promise<Stand> {
  const [httpPort, securePort] = [await freePort(), await freePort()]
  const pebble = await startPebble({ httpPort, ...options }, options)
  return {
    httpPort,
    securePort,
    pebble,
    toml: (...hosts) => `[tls]
listen = ["127.0.0.1:${securePort}"]
acme = { email = "me@example.com", directory = "${pebble.directory}", ca = "${pebble.ca}" }
${hosts.map(route).join('')}`,
    open: (toml, more = {}) =>
      startGate(toml, { acmeTimers, partingMs: 100, listen: `127.0.0.1:${httpPort}`, ...more }),
    [Symbol.asyncDispose]: () => pebble[Symbol.asyncDispose](),
  }
}

async function isServed({ securePort, pebble }: Stand, name: string): Promise<boolean> {
  try {
    const ca = await pebble.issuer()
    const answer = await secureFetch({ port: securePort, name, ca }, '/')
    return (await answer.text()) === `hello from ${name}`
  } catch {
    return false
  }
}

const shownFor = async ({ securePort }: Stand, name: string) =>
  await certificateFor({ port: securePort, name, ca: '' }).catch(() => null)

test.concurrent('certificates are obtained for every host, kept over a restart, and for a host that is added', async () => {
  await using stand = await openStand()
  const store = `sqlite:${stand.pebble.ca}.db`
  {
    await using gate = await stand.open(stand.toml('app.example.com', 'two.example.com'), { store })
    await eventually(() => isServed(stand, 'app.example.com'), 'app is served')
    await eventually(() => isServed(stand, 'two.example.com'), 'two is served')
    const metrics = await metricsOf(gate)
    expect(metrics).toContain('sallyport_certificate_expiry_timestamp_seconds{names="app.example.com"}')
    gate.save(stand.toml('app.example.com', 'two.example.com', 'new.example.com'))
    await eventually(() => isServed(stand, 'new.example.com'), 'the new host is served')
    expect(gate.log.join('')).not.toMatch(/PRIVATE|"d":/)
  }
  const issued = stand.pebble.log().match(/Issued certificate/g)?.length
  expect(issued).toBe(3)
  await using _again = await stand.open(stand.toml('app.example.com', 'two.example.com', 'new.example.com'), { store })
  for (const name of ['app', 'two', 'new']) {
    await eventually(() => isServed(stand, `${name}.example.com`), `${name} is served again`)
  }
  expect(stand.pebble.log().match(/Issued certificate/g)?.length).toBe(3)
}, 300_000)

test.concurrent('a certificate is renewed when a third of its life is left, and is for its host alone', async () => {
  await using stand = await openStand({ lifetimeS: 12 })
  await using _gate = await stand.open(stand.toml('app.example.com'))
  await eventually(() => isServed(stand, 'app.example.com'), 'app is served')
  const first = await shownFor(stand, 'app.example.com')
  expect(first?.subjectaltname).toBe('DNS:app.example.com')
  await eventually(
    async () =>
      ((await shownFor(stand, 'app.example.com'))?.fingerprint256 ?? first?.fingerprint256) !== first?.fingerprint256,
    'another is served',
  )
}, 300_000)

test.concurrent('an authority that is down keeps nobody from starting, and is asked again until it answers', async () => {
  await using stand = await openStand({ isDown: true })
  await using gate = await stand.open(stand.toml('app.example.com'))
  await eventually(() => gate.told('acme.unreachable').length > 0, 'it is told')
  expect(await shownFor(stand, 'app.example.com')).toBeNull()
  await stand.pebble.start()
  await eventually(() => isServed(stand, 'app.example.com'), 'app is served')
}, 300_000)

test.concurrent('a name that is refused is told with the reason, asked for ever more slowly, and keeps no other from its certificate', async () => {
  await using stand = await openStand({ blocked: ['bad.example.com'] })
  await using gate = await stand.open(stand.toml('bad.example.com', 'app.example.com'))
  await eventually(() => isServed(stand, 'app.example.com'), 'app is served')
  const waits = () =>
    gate.log.flatMap(line => {
      const { name, failures, again_in_s } = JSON.parse(line)
      return name === 'bad.example.com' && failures !== undefined ? [again_in_s as number] : []
    })
  await eventually(() => waits().length >= 3, 'it was asked for three times')
  expect(waits()[2]).toBeGreaterThan(waits()[0] ?? 0)
  expect(gate.log.join('')).toContain('rejectedIdentifier')
}, 300_000)

test.concurrent('several machines with one store ask once, and each answers for the other', async () => {
  await using stand = await openStand()
  const store = `sqlite:${stand.pebble.ca}.db`
  await using _one = await stand.open(stand.toml('app.example.com'), { store })
  const other = await freePort()
  const elsewhere = stand.toml('app.example.com').replace(`:${stand.securePort}"`, `:${other}"`)
  await using _two = await startGate(elsewhere, { store, acmeTimers })
  await eventually(() => isServed(stand, 'app.example.com'), 'one serves')
  await eventually(() => isServed({ ...stand, securePort: other }, 'app.example.com'), 'the other does')
  expect(stand.pebble.log().match(/Issued certificate/g)?.length).toBe(1)
}, 300_000)

test.concurrent('tokens are answered for hosts that are asked for alone; all else is sent on or goes to the application', async () => {
  await using stand = await openStand()
  await using _gate = await stand.open(stand.toml('app.example.com'))
  await eventually(() => isServed(stand, 'app.example.com'), 'app is served')
  const ask = async (host: string, token: string) => {
    const address = `http://127.0.0.1:${stand.httpPort}/.well-known/acme-challenge/${token}`
    const answer = await fetch(address, { headers: { host }, redirect: 'manual' })
    return { status: answer.status, text: await answer.text() }
  }
  const token = 'a'.repeat(43)
  expect((await ask('app.example.com', token)).text).toMatch(new RegExp(`^${token}\\.[A-Za-z0-9_-]{43}$`))
  expect((await ask('app.example.com', '%3Cscript%3E')).status).toBe(308)
  expect((await ask('app.example.com', `${token}/x`)).status).toBe(308)
  expect((await ask('stranger.example.org', token)).status).toBe(404)
}, 300_000)

test.concurrent('the key in a certificate is on P-256, and each name has its own', async () => {
  await using stand = await openStand()
  await using _gate = await stand.open(stand.toml('app.example.com', 'two.example.com'))
  await eventually(async () => (await isServed(stand, 'app.example.com')) && isServed(stand, 'two.example.com'), 'both')
  const keysShown = () =>
    Promise.all(
      ['app', 'two'].map(async name => {
        const raw = (await shownFor(stand, `${name}.example.com`))?.raw
        return raw === undefined ? undefined : new X509Certificate(raw).publicKey
      }),
    )
  // The listener before, which knows one name alone, answers for a moment longer.
  let keys: Awaited<ReturnType<typeof keysShown>> = []
  await eventually(async () => {
    keys = await keysShown()
    const [one, two] = keys.map(key => key?.export({ format: 'pem', type: 'spki' }))
    return one !== undefined && two !== undefined && one !== two
  }, 'each name shows a key of its own')
  const curves = keys.map(key => key?.asymmetricKeyDetails?.namedCurve)
  expect(curves).toEqual(['prime256v1', 'prime256v1'])
}, 300_000)

always('what an authority asks for has a line in the access log, like every request', async () => {
  const acme = `acme = { email = "me@example.com", directory = "https://127.0.0.1:${await freePort()}/dir" }`
  await using gate = await startGate(
    `[tls]\nlisten = ["127.0.0.1:${await freePort()}"]\n${acme}\n${route('app.example')}`,
  )
  const path = `/.well-known/acme-challenge/${'a'.repeat(43)}`
  await fetch(`http://127.0.0.1:${gate.port}${path}?not=told`, { headers: { host: 'app.example' } })
  const lines = () => gate.access.map(line => JSON.parse(line)).filter(line => line.path === path)
  await eventually(() => lines().length > 0, 'it has a line')
  expect(lines()).toMatchObject([{ host: 'app.example', client: '127.0.0.1', method: 'GET', route: '-' }])
})

always('strangers with made-up tokens have the store read a few times a second, all of them together', async () => {
  const directory = `https://127.0.0.1:${await freePort()}/dir`
  const acme = `acme = { email = "me@example.com", directory = "${directory}" }`
  await using gate = await startGate(
    `[tls]\nlisten = ["127.0.0.1:${await freePort()}"]\n${acme}\n${route('app.example')}`,
    { acmeTimers: { lookMs: 50, refusedMs: 600_000, unreachableMs: 600_000 } },
  )
  const ask = (token: string) =>
    fetch(`http://127.0.0.1:${gate.port}/.well-known/acme-challenge/${token}`, { headers: { host: 'app.example' } })
  const isKnown = async () => (await ask('a'.repeat(43))).status === 200
  await eventually(isKnown, 'there is an account, whose key answers for any process')
  const reads = () => metricOf(gate, 'sallyport_store_duration_seconds_count{call="read"}')
  const before = await reads()
  const tokens = Array.from({ length: 400 }, (_, index) => `${'b'.repeat(40)}${index}`)
  const answers = await Promise.all(tokens.map(async token => (await ask(token)).text()))
  expect(answers.map(text => text.split('.')[0])).toEqual(tokens)
  // Before, each of them was a read.
  expect((await reads()) - before).toBeLessThan(tokens.length / 4)
})
