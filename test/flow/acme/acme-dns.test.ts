import { expect } from 'bun:test'
import { X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AcmeDns, NameServer } from '../../../src/config/keys/acme.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { type AcmeStand, openAcmeStand } from '../../kit/programs/acme-stand.ts'
import { type Bind, startBind } from '../../kit/programs/bind.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startPebble } from '../../kit/programs/pebble.ts'
import { secureFetch } from '../../kit/wire/tls.ts'

const { test } = needs('named', 'nsupdate', 'pebble')

/** Nobody answers at port 80: names are proved in DNS or not at all. */
const standBy = async (bind: Bind, names: readonly string[], dns: Partial<AcmeDns>) =>
  await openAcmeStand(names, {
    nameServer: bind.place,
    config: { dns: { writer: bind.update, resolvers: [bind.update.server], waitMs: 10_000, ...dns } },
  })

const obtained = ({ acme, log }: AcmeStand, count: number) =>
  eventually(() => acme.certificates.length === count, `there are ${count} certificates`).catch(error => {
    throw new Error(log.join('\n'), { cause: error })
  })

test('RFC 8555 §8.4: wildcards and aliases are proved by updates to a name server, and no record is left behind', async () => {
  await using bind = await startBind()
  const names = ['*.example.com', 'example.com', 'moved.example.com', 'app.example.org']
  await using stand = await standBy(bind, names, {})
  await obtained(stand, 4)
  const [wildcard] = stand.acme.certificates
  expect(new X509Certificate(wildcard?.cert ?? '').subjectAltName).toBe('DNS:*.example.com')
  // Written where the CNAME leads, since example.org takes no updates.
  expect(bind.log()).toMatch(/updating zone 'example\.net\/IN': adding an RR at 'there\.example\.net' TXT/)
  expect(bind.log()).toMatch(/updating zone 'example\.net\/IN': adding an RR at 'moved\.example\.net' TXT/)
  for (const name of ['_acme-challenge.example.com', 'moved.example.net', 'there.example.net']) {
    expect(await bind.texts(name)).toEqual([])
  }
  expect(stand.log.join('')).not.toContain(bind.update.key)
  // An authority that asks by http gets no answer of ours.
  const path = `/.well-known/acme-challenge/${'a'.repeat(43)}`
  expect(stand.acme.answer({ host: 'example.com', path }, { protocol: 'http' })).toBeNull()
}, 300_000)

test('a record that is not seen in time is taken away again, and the authority is not asked to look', async () => {
  await using bind = await startBind()
  await using elsewhere = await startBind()
  const resolvers: readonly NameServer[] = [bind.update.server, elsewhere.update.server]
  await using stand = await standBy(bind, ['app.example.com'], { resolvers, waitMs: 2_000 })
  await eventually(() => stand.log.join('').includes('acme.dns'), 'it is told')
  expect(stand.log.join('')).toContain(`${elsewhere.place} does not show it`)
  // By now the next attempt may have written its own.
  const isGone = async () => (await bind.texts('_acme-challenge.app.example.com')).length === 0
  await eventually(isGone, 'the record is taken away')
  expect(stand.pebble.log()).not.toContain('Pulled a task')
}, 300_000)

/** A program as people write one: a few lines around nsupdate. */
function hook({ folder, keyFile, port }: Bind): string {
  const path = join(folder, 'dns-record')
  writeFileSync(
    path,
    `#!/bin/sh
env > "${folder}/env"
echo "$3 $API_TOKEN"
echo "$3 $API_TOKEN" >&2
case "$1 $2" in
  "$MODE "*) sleep 60 ;;
  "present "*) verb=add ;;
  "cleanup "*) verb=delete ;;
esac
[ "$MODE" != refuse ] || exit 3
nsupdate -k "${keyFile}" <<END
server 127.0.0.1 ${port}
update $verb $2 60 TXT "$3"
send
END
`,
  )
  chmodSync(path, 0o755)
  return path
}

test('a program writes records, with an environment of its own, and nothing that it says is logged', async () => {
  await using bind = await startBind()
  const writer = {
    kind: 'program',
    command: [hook(bind)],
    env: new Map([['API_TOKEN', 'wanton-9c1e']]),
    timeoutMs: 20_000,
  } as const
  process.env.ACME_DNS_TEST_SECRET = 'ours-77aa'
  await using stand = await standBy(bind, ['*.example.com'], { writer })
  await obtained(stand, 1)
  delete process.env.ACME_DNS_TEST_SECRET
  const seen = readFileSync(join(bind.folder, 'env'), 'utf8')
  expect(seen).toContain('API_TOKEN=wanton-9c1e')
  expect(seen).toContain('PATH=')
  expect(seen).not.toContain('ours-77aa')
  expect(stand.log.join('')).not.toMatch(/wanton-9c1e|ours-77aa/)
  expect(await bind.texts('_acme-challenge.example.com')).toEqual([])
}, 300_000)

const FAILING = [
  ['that fails', { MODE: 'refuse' }, 20_000, 'ended with status 3'],
  ['that does not end', { MODE: 'present' }, 1_000, 'did not end within 1 s'],
] as const

test.each(FAILING)(
  'a program %s is told with its name and how, and the authority is not asked to look',
  async (_, env, timeoutMs, word) => {
    await using bind = await startBind()
    const writer = { kind: 'program', command: [hook(bind)], env: new Map(Object.entries(env)), timeoutMs } as const
    await using stand = await standBy(bind, ['app.example.com'], { writer })
    await eventually(() => stand.log.join('').includes(word), `it is told: ${word}`)
    expect(stand.log.join('')).toContain('dns-record present')
    expect(stand.pebble.log()).not.toContain('Pulled a task')
  },
  300_000,
)

test('a program that is not there is told, and no other is tried', async () => {
  await using bind = await startBind()
  const command = [join(bind.folder, 'nowhere; touch ran')]
  const writer = { kind: 'program', command, env: new Map(), timeoutMs: 1_000 } as const
  await using stand = await standBy(bind, ['app.example.com'], { writer })
  await eventually(() => stand.log.join('').includes('cannot be run'), 'it is told')
  expect(existsSync('ran')).toBe(false)
}, 300_000)

test('a gate serves every host below a wildcard of its file with one certificate, with nothing at port 80', async () => {
  await using bind = await startBind()
  await using pebble = await startPebble({ httpPort: 1, nameServer: bind.place })
  const securePort = await freePort()
  const route = (host: string) => `[[routes]]\nhost = "${host}"\nrespond = { body = "hello" }\nallow = "public"\n`
  await using gate = await startGate(
    `[tls]
listen = ["127.0.0.1:${securePort}"]
[tls.acme]
directory = "${pebble.directory}"
ca = "${pebble.ca}"
[tls.acme.dns]
server = "${bind.place}"
key_name = "sallyport"
key = "\${TSIG_KEY}"
resolvers = "${bind.place}"
${route('*.example.com')}${route('app.example.com')}`,
    { env: { TSIG_KEY: bind.update.key }, acmeTimers: { lookMs: 50, refusedMs: 500, unreachableMs: 100 } },
  )
  const isServed = async (name: string) => {
    try {
      const answer = await secureFetch({ port: securePort, name, ca: await pebble.issuer() }, '/')
      return (await answer.text()) === 'hello'
    } catch {
      return false
    }
  }
  await eventually(
    () => isServed('app.example.com'),
    () => `app is served: ${gate.log.join('')}`,
  )
  expect(await isServed('any.example.com')).toBe(true)
  expect(pebble.log().match(/Issued certificate/g)).toHaveLength(1)
  expect(gate.log.join('')).not.toContain(bind.update.key)
}, 300_000)
