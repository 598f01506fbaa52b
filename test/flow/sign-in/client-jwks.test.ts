import { expect, test } from 'bun:test'
import { createPrivateKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportPKCS8, generateKeyPair } from 'jose'
import { publicMembers } from '../../../src/identity/tokens/client-authentication.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type PocketIdVersion, pocketIdClient } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { EVERYONE, portalTable, routeForUsers, routeTo } from '../../kit/toml.ts'

const APP = 'http://app.example'
const PAGE = '/.sallyport/client-jwks.json'
const DAY_MS = 24 * 60 * 60 * 1000
const PUBLIC = ['alg', 'crv', 'e', 'kid', 'kty', 'n', 'use', 'x', 'y']
const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('of the application')))

interface KeySet {
  readonly keys: readonly Readonly<Record<string, unknown>>[]
}

const pem = async (alg: string) => exportPKCS8((await generateKeyPair(alg, { extractable: true })).privateKey)

function provider(name: string, lines: string): string {
  return `[providers.${name}]\nissuer = "http://127.0.0.1:9/${name}"\nclient_id = "gate"\n${lines}\n`
}

async function setOf(gate: { readonly port: number }, host = 'app.example'): Promise<KeySet> {
  const answer = await fetchFrom(gate, PAGE, { host })
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/jwk-set+json'])
  return answer.json() as Promise<KeySet>
}

const kidsOf = ({ keys }: KeySet) => keys.map(({ kid }) => kid)

test.each<PocketIdVersion>(['2.9', '2.14'])(
  'Pocket ID %s, which knows a client’s key by its address alone, signs people in',
  async version => {
    let port = 0
    await using there = await pocketId({
      version,
      clients: [],
      fetchKeys: address => fetchFrom({ port }, new URL(address).pathname, { host: new URL(address).host }),
    })
    const federatedIdentities = [{ issuer: 'gate', subject: 'gate', audience: there.issuer, jwks: `${APP}${PAGE}` }]
    there.clients.set('gate', pocketIdClient('gate', { credentials: { federatedIdentities } }))
    there.allowRedirect(`${APP}/.sallyport/callback`)
    await using gate = await startGate(
      `[providers.id]
issuer = "${there.issuer}"
client_id = "gate"
client_key = "k.pem"
${portalTable(EVERYONE)}${routeForUsers(upstream, 'app.example')}`,
      { files: { 'k.pem': await pem('ES256') } },
    )
    port = gate.port
    expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).text).toBe('of the application')
  },
)

test('each portal lists the keys of its own providers, to everybody, on its own host alone', async () => {
  await using gate = await startGate(
    `${provider('one', 'client_key = "one.pem"')}${provider('rsa', 'client_key = "rsa.pem"')}
${provider('other', 'client_key = "other.pem"')}${provider('secret', 'client_secret = "not-a-key"')}
[portals.home]
providers = ["one", "rsa", "secret"]
url = "http://auth.example"
insecure_cookies = true
${EVERYONE}
[portals.second]
providers = ["other"]
insecure_cookies = true
${EVERYONE}
[portals.bare]
providers = ["secret"]
insecure_cookies = true
${EVERYONE}
${routeForUsers(upstream, 'app.example')}
${routeTo(upstream, 'auth.example', 'allow = "public"')}
${routeTo(upstream, 'second.example', 'portal = "second"\nallow = ["user"]')}
${routeTo(upstream, 'bare.example', 'portal = "bare"\nallow = ["user"]')}`,
    { files: { 'one.pem': await pem('Ed25519'), 'rsa.pem': await pem('PS256'), 'other.pem': await pem('ES384') } },
  )
  const own = await setOf(gate, 'auth.example')
  expect(own.keys.map(({ kty }) => kty)).toEqual(['OKP', 'RSA'])
  expect((await setOf(gate, 'second.example')).keys.map(({ crv }) => crv)).toEqual(['P-384'])
  expect((await setOf(gate, 'bare.example')).keys).toEqual([])
  // The application's host is not where providers were told to look.
  expect((await fetchFrom(gate, PAGE, { host: 'app.example' })).status).toBe(404)
  const head = await fetchFrom(gate, PAGE, { host: 'auth.example' }, { method: 'HEAD' })
  expect([head.status, await head.text(), head.headers.get('set-cookie')]).toEqual([200, '', null])
  const post = await fetchFrom(gate, PAGE, { host: 'auth.example' }, { method: 'POST' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  expect(await (await fetchFrom(gate, '/', { host: 'auth.example' })).text()).toBe('of the application')
})

test('RFC 7517 §9.2: of a JWK with every private member, and more, only what is public is listed', async () => {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const rsa = createPrivateKey(await exportPKCS8(privateKey)).export({ format: 'jwk' })
  expect(Object.keys(rsa).sort()).toEqual(['d', 'dp', 'dq', 'e', 'kty', 'n', 'p', 'q', 'qi'])
  const more = {
    kid: 'of-the-gate',
    alg: 'RS256',
    use: 'enc',
    key_ops: ['sign'],
    k: 'shared',
    oth: [],
    x5c: ['x'],
    note: 'mine',
  }
  // No key with more than two primes can be read here, so that the list itself is asked.
  const listed = publicMembers({ ...rsa, ...more, oth: [{ r: 'r', d: 'd', t: 't' }] })
  expect(Object.keys(listed).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
  const ec = createPrivateKey(await pem('ES256')).export({ format: 'jwk' })
  const files = {
    'rsa.json': JSON.stringify({ ...rsa, ...more, oth: undefined }),
    'ec.json': JSON.stringify({ ...ec, k: 'shared', priv: 'x' }),
  }
  await using gate = await startGate(
    `${provider('rsa', 'client_key = "rsa.json"')}${provider('ec', 'client_key = "ec.json"')}
[portals.home]
providers = ["rsa", "ec"]
insecure_cookies = true
${EVERYONE}
${routeForUsers(upstream, 'app.example')}`,
    { files },
  )
  const { keys } = await setOf(gate)
  expect(keys[0]).toEqual({ kty: 'RSA', n: rsa.n, e: rsa.e, kid: 'of-the-gate', use: 'sig', alg: 'RS256' })
  expect(keys[1]).toEqual({
    kty: 'EC',
    crv: 'P-256',
    x: ec.x,
    y: ec.y,
    kid: expect.any(String),
    use: 'sig',
    alg: 'ES256',
  })
  for (const key of keys) expect(Object.keys(key).filter(name => !PUBLIC.includes(name))).toEqual([])
})

test('after a change of the file the key before is listed for a day, through a restart too, and no key comes back', async () => {
  let offsetMs = 0
  const [first, second, third] = [await pem('ES256'), await pem('ES256'), await pem('ES256')]
  const toml = `${provider('id', 'client_key = "k.pem"')}${portalTable(EVERYONE)}${routeForUsers(upstream, 'app.example')}`
  const ports = { now: () => Date.now() + offsetMs }
  await using gate = await startGate(toml, { files: { 'k.pem': first }, ports })
  const [a] = kidsOf(await setOf(gate))
  writeFileSync(join(gate.folder, 'k.pem'), second)
  await eventually(async () => (await setOf(gate)).keys.length === 2, 'both keys are listed')
  const [b, before] = kidsOf(await setOf(gate))
  expect([before, b === a]).toEqual([a, false])
  // The same store, with a key that was changed while nothing ran.
  const store = `sqlite:${join(gate.folder, 'sallyport.db')}`
  {
    await using later = await startGate(toml, { files: { 'k.pem': third }, ports, store })
    await eventually(async () => (await setOf(later)).keys.length === 3, 'both keys before are listed')
    const kids = kidsOf(await setOf(later))
    expect(kids.slice(1)).toEqual([b, a])
    offsetMs = DAY_MS - 60_000
    expect((await setOf(later)).keys.length).toBe(3)
    offsetMs = DAY_MS + 60_000
    expect(kidsOf(await setOf(later))).toEqual(kids.slice(0, 1))
  }
  expect(gate.told('was not noted')).toEqual([])
})
