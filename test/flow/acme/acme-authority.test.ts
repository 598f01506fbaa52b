import { expect } from 'bun:test'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { exportJWK, FlattenedSign } from 'jose'
import type { Asking } from '../../../src/base/http-client.ts'
import type { ServerCertificate } from '../../../src/config/values/certificate.ts'
import { ask } from '../../../src/console/network.ts'
import { makeCertificateKey } from '../../../src/server/acme/authority/csr.ts'
import { obtainCertificate } from '../../../src/server/acme/authority/obtain.ts'
import { certificateId } from '../../../src/server/acme/authority/renewal-info.ts'
import { eventually } from '../../kit/gate.ts'
import { isProgramHere, needs, whereThereIs } from '../../kit/needs.ts'
import { type AcmeStand, openAcmeStand } from '../../kit/programs/acme-stand.ts'
import { freePort } from '../../kit/programs/child.ts'
import { knowsRenewals, startPebble } from '../../kit/programs/pebble.ts'

const { test } = needs('pebble')
const renewals = isProgramHere('pebble') ? whereThereIs(knowsRenewals(), 'pebble with RFC 9773') : needs('pebble')

const EXTERNAL = { id: 'kid-1', key: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' }

const first = async ({ acme, log }: AcmeStand): Promise<ServerCertificate> => {
  await eventually(
    () => acme.certificates.length > 0,
    () => `there is a certificate: ${log.join(' ')}`,
  )
  const [certificate] = acme.certificates
  if (certificate === undefined) throw new Error('there is none')
  return certificate
}

/** RFC 8555 §7.6, signed by the certificate's own key. */
async function revoke({ pebble, config }: AcmeStand, { cert, key }: ServerCertificate): Promise<void> {
  const trust = { tls: { ca: config.ca ?? '' } }
  const { revokeCert, newNonce } = Object(await (await fetch(pebble.directory, trust)).json())
  const jwk = await exportJWK(createPublicKey(key))
  for (;;) {
    const nonce = (await fetch(newNonce, { method: 'HEAD', ...trust })).headers.get('replay-nonce') ?? ''
    const payload = JSON.stringify({ certificate: new X509Certificate(cert).raw.toString('base64url') })
    const body = await new FlattenedSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ alg: 'ES256', nonce, url: revokeCert, jwk })
      .sign(createPrivateKey(key))
    const headers = { 'content-type': 'application/jose+json' }
    const answer = await fetch(revokeCert, { method: 'POST', headers, body: JSON.stringify(body), ...trust })
    if (answer.ok) return
    const { type } = Object(await answer.json())
    if (!String(type).endsWith('badNonce')) throw new Error(`not revoked: ${type}`)
  }
}

const serialOf = (id: string) => Buffer.from(id.slice(id.indexOf('.') + 1), 'base64url')

const DAY_MS = 24 * 60 * 60 * 1000

renewals.test(
  'RFC 9773: a certificate that the authority wants gone is replaced, the order says which, and a day is time enough',
  async () => {
    await using stand = await openAcmeStand(['app.example.com'])
    const { acme, clock, sent, log } = stand
    const before = await first(stand)
    expect(sent('/order-plz')[0]).toEqual({ identifiers: [{ type: 'dns', value: 'app.example.com' }] })
    await stand.renewalsAsked(1)
    clock.advance(DAY_MS)
    acme.wake()
    await stand.renewalsAsked(2)
    // What it says of a good certificate brings no other.
    expect(acme.certificates[0]?.cert).toBe(before.cert)
    await revoke(stand, before)
    clock.advance(DAY_MS)
    acme.wake()
    await eventually(
      () => acme.certificates[0]?.cert !== before.cert,
      () => `it is replaced: ${log.join(' ')}`,
    )
    // Not the last of all where the authority does not find it: then there is another without it.
    expect(sent('/order-plz')).toContainEqual({
      identifiers: [{ type: 'dns', value: 'app.example.com' }],
      replaces: certificateId(before.cert),
    })
    expect(log.join('')).toContain('The authority names another time for a renewal')
  },
  300_000,
)

renewals.test(
  'an authority that would have each new certificate renewed at once is not asked for one after another',
  async () => {
    const suggestedWindow = { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' }
    await using stand = await openAcmeStand(['app.example.com'], {
      instead: address => (address.includes('/renewalInfo/') ? Response.json({ suggestedWindow }) : null),
    })
    const { acme, clock, log } = stand
    const obtained = () => log.filter(line => line.includes('A certificate was obtained')).length
    const before = await first(stand)
    await eventually(() => acme.certificates[0]?.cert !== before.cert, 'it is renewed')
    await stand.renewalsAsked(2)
    clock.advance(DAY_MS / 2)
    acme.wake()
    await stand.renewalsAsked(3)
    expect(obtained()).toBe(2)
    clock.advance(DAY_MS)
    acme.wake()
    await eventually(() => obtained() === 3, 'a day later it is heeded again')
  },
  300_000,
)

renewals.test(
  'RFC 9773 §5: where the authority has heard of a replacement before, or does not find it, the order is placed without',
  async () => {
    const httpPort = await freePort()
    await using pebble = await startPebble({
      httpPort,
      faults: { PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '100', PEBBLE_WFE_NONCEREJECT: '0' },
    })
    let offered = ''
    const front = Bun.serve({ hostname: '127.0.0.1', port: httpPort, fetch: () => new Response(offered) })
    const orders: unknown[] = []
    const tools = {
      proof: {
        challenge: 'http-01',
        async offer(_: string, keyAuthorization: string) {
          offered = keyAuthorization
          return async () => {}
        },
      },
      ports: {
        async ask(address: string, init: Asking) {
          const answer = await ask(address, init)
          if (!address.endsWith('/order-plz')) return answer
          const { payload } = JSON.parse(String(init.body))
          const { replaces = null } = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
          orders.push([replaces, answer.status])
          return answer
        },
      },
    } as const
    const account = {
      directory: pebble.directory,
      ca: readFileSync(pebble.ca, 'utf8'),
      email: null,
      externalAccount: null,
      key: makeCertificateKey(),
    }
    const obtain = async (replaces: string | null) => {
      orders.length = 0
      const { cert } = await obtainCertificate('app.example.com', account, { ...tools, replaces })
      return certificateId(cert) ?? ''
    }
    let one = await obtain(null)
    // A serial number that begins with a zero byte is one that pebble does not find.
    while (serialOf(one)[0] === 0) one = await obtain(null)
    expect(orders).toEqual([[null, 201]])
    // What it issued and what that replaces it writes down a moment later.
    await eventually(
      async () => {
        await obtain(one)
        return pebble.log().includes('has been marked as replaced')
      },
      () => `the replacement is known: ${pebble.log()}`,
    )
    expect(await obtain(one)).not.toBe(one)
    expect(orders).toEqual([
      [one, 409],
      [null, 201],
    ])
    const unknown = one.replace(/\..*/, '.AAECAwQFBgcI')
    await obtain(unknown)
    expect(orders).toEqual([
      [unknown, 500],
      [null, 201],
    ])
    await front.stop(true)
  },
  300_000,
)

test('RFC 8555 §7.3.4: an authority that asks for an account elsewhere is told of it, and says so where none is named', async () => {
  const externalAccounts = { [EXTERNAL.id]: EXTERNAL.key }
  await using bound = await openAcmeStand(['app.example.com'], {
    externalAccounts,
    config: { externalAccount: EXTERNAL },
  })
  await first(bound)
  await using unbound = await openAcmeStand(['app.example.com'], { externalAccounts })
  await eventually(() => unbound.log.join('').includes('externalAccountRequired'), 'the reason is told')
  expect(unbound.log.join('')).toContain('external_account of [tls.acme]')
  await using wrong = await openAcmeStand(['app.example.com'], {
    externalAccounts,
    config: { externalAccount: { ...EXTERNAL, key: 'A'.repeat(64) } },
  })
  await eventually(() => wrong.log.join('').includes('acme.refused'), 'a wrong key is refused')
  for (const { log } of [bound, unbound, wrong]) expect(log.join('')).not.toMatch(/zWNDZM6|AAAAAAAA/)
}, 300_000)

test.each([
  ['refuses most nonces', { PEBBLE_WFE_NONCEREJECT: '70', PEBBLE_VA_NOSLEEP: '1' }],
  ['is slow to look', { PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_VA_SLEEPTIME: '4' }],
  ['takes a name for proved', { PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '100' }],
])(
  'an authority that %s gives its certificates all the same',
  async (_, faults) => {
    await using stand = await openAcmeStand(['app.example.com'], { faults })
    const before = await first(stand)
    if (!('PEBBLE_AUTHZREUSE' in faults)) return
    // The second order finds its name proved.
    stand.clock.advance(80 * DAY_MS)
    stand.acme.wake()
    await eventually(() => stand.acme.certificates[0]?.cert !== before.cert, 'it is renewed')
  },
  300_000,
)
