import { expect } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../kit/certificates.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { startPebble } from '../../kit/programs/pebble.ts'
import { certificateFor, openHttp2, secureFetch } from '../../kit/wire/tls.ts'

const { test } = needs('openssl')

const authority = makeAuthority()
const { cert: ca } = authority
const ROUTE = '[[routes]]\nhost = "app.example.com"\nrespond = { body = "hello" }\nallow = "public"\n'

test('several workers of the executable serve HTTPS on one port, and all take changed certificates over', async () => {
  using folder = temporaryFolder()
  const [first, second] = [authority.issue('DNS:app.example.com'), authority.issue('DNS:app.example.com')]
  const use = ({ cert, key }: typeof first) => {
    writeFileSync(join(folder.path, 'app.key'), key)
    writeFileSync(join(folder.path, 'app.pem'), cert)
  }
  use(first)
  const [port, securePort] = [await freePort(), await freePort()]
  const toml = `workers = 2\n[tls]\nlisten = ["127.0.0.1:${securePort}"]\ncertificates = [{ cert = "app.pem", key = "app.key" }]\n${ROUTE}`
  await using program = await startChild({ command: [await compiledBinary()], folder: folder.path, toml, port })
  const at = { port: securePort, name: 'app.example.com', ca }
  const shown = async () => (await certificateFor(at).catch(() => certificateFor(at))).fingerprint256
  const allShow = async (cert: string) =>
    (await Promise.all(Array.from({ length: 12 }, shown))).every(
      one => one === new X509Certificate(cert).fingerprint256,
    )
  expect(await allShow(first.cert)).toBe(true)
  using client = openHttp2(at)
  expect((await client.ask('/')).body).toBe('hello')
  const moved = await fetch(`http://127.0.0.1:${port}/`, { headers: { host: 'app.example.com' }, redirect: 'manual' })
  expect(moved.headers.get('location')).toBe(`https://app.example.com:${securePort}/`)
  use(second)
  await eventually(() => allShow(second.cert).catch(() => false), 'every worker shows the new one')
  expect(await (await secureFetch(at, '/')).text()).toBe('hello')
  expect(program.output()).toContain(`"https":"127.0.0.1:${securePort}"`)
}, 300_000)

needs('pebble').test(
  'several workers of the executable ask an authority once, and keep no key in clear text',
  async () => {
    using folder = temporaryFolder()
    const [port, securePort] = [await freePort(), await freePort()]
    await using pebble = await startPebble({ httpPort: port })
    const toml = `workers = 2\n[tls]\nlisten = ["127.0.0.1:${securePort}"]\nacme = { directory = "${pebble.directory}", ca = "${pebble.ca}" }\n${ROUTE}`
    await using program = await startChild({ command: [await compiledBinary()], folder: folder.path, toml, port })
    const isServed = async () => {
      try {
        const at = { port: securePort, name: 'app.example.com', ca: await pebble.issuer() }
        const answers = await Promise.all(Array.from({ length: 8 }, async () => (await secureFetch(at, '/')).text()))
        return answers.every(text => text === 'hello')
      } catch {
        return false
      }
    }
    await eventually(isServed, () => `it is served: ${program.output()}`)
    expect(pebble.log().match(/Issued certificate/g)?.length).toBe(1)
    for (const name of readdirSync(folder.path)) {
      const bytes = readFileSync(join(folder.path, name), 'latin1')
      expect(bytes).not.toContain('PRIVATE KEY')
    }
    expect(program.output()).not.toContain('PRIVATE')
  },
  300_000,
)
