import { describe, expect, test } from 'bun:test'
import { exportJWK, generateKeyPair } from 'jose'
import { runDoctor } from '../../../src/cli/doctor/run.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { commandPorts, type Ran, runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { startProvider, type TestClient } from '../../kit/provider/provider.ts'
import { EVERYONE, type KnownClient, portalTable, providerTable, routeForUsers } from '../../kit/toml.ts'

const APP = 'http://app.localhost'
const CALLBACK = `${APP}/.sallyport/callback`
const NOT_KNOWN = 'warn  no user has signed in yet: whether a sign-in works is not known'
const { publicKey } = await generateKeyPair('RSA-OAEP-256', { extractable: true })
const ENCRYPTION_KEY = { ...(await exportJWK(publicKey)), use: 'enc', alg: 'RSA-OAEP-256', kid: 'enc1' }
const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('hello')))

function gateAt(client: KnownClient): Promise<Gate> {
  return startGate([providerTable(client), portalTable(EVERYONE), routeForUsers(upstream, 'app.localhost')].join('\n'))
}

function doctor(gate: Gate, ...argv: readonly string[]): Promise<Ran> {
  return runIn(gate.folder, io => runDoctor([gate.configPath, ...argv], io, commandPorts(io)))
}

/** Once the gate has noted what came of a sign-in, which nobody waits for. */
async function doctorSays(gate: Gate, code: number): Promise<string> {
  let ran = await doctor(gate)
  await eventually(async () => {
    ran = await doctor(gate)
    return ran.code === code
  }, `doctor ends with ${code}`)
  return ran.out
}

describe('doctor, of what only a sign-in shows', () => {
  test.each([
    ['signs ID tokens with its secret', { id_token_signed_response_alg: 'HS256' }, /ID token .*HS256/],
    [
      'encrypts ID tokens',
      { id_token_encrypted_response_alg: 'RSA-OAEP-256', jwks: { keys: [ENCRYPTION_KEY] } },
      /ID token .*enc A128CBC-HS256/,
    ],
    ['signs userinfo', { userinfo_signed_response_alg: 'RS256' }, /userinfo endpoint .* signs its answers/],
  ] satisfies [string, Partial<TestClient>, RegExp][])(
    'a client for which the provider %s is not known before a sign-in, and a failure after it',
    async (_what, client, says) => {
      const known = { client_id: 'gate', client_secret: 'a secret', redirect_uris: [CALLBACK], ...client }
      await using there = await startProvider({ clients: [known], accounts: [{ sub: 'ada' }] })
      await using gate = await gateAt(there)
      const before = await doctor(gate)
      expect([before.code, before.out]).toEqual([3, expect.stringContaining(NOT_KNOWN)])
      const page = await browserAt(gate, 'app.localhost').signIn(`${APP}/`, 'ada')
      expect(page.response.status).toBe(502)
      const out = await doctorSays(gate, 1)
      expect(out).toMatch(
        new RegExp(`FAIL  the last sign-in failed at .*, and no user has signed in yet: .*${says.source}`),
      )
      expect(out).toContain('after the fix, sign in once')
    },
  )

  test('is no question any more once somebody came in, until a sign-in fails again', async () => {
    await using there = await startBadProvider()
    const discovery = { id_token_signing_alg_values_supported: ['RS256', 'HS256'] }
    there.behave({ signsInAtOnce: true, discovery })
    await using gate = await gateAt(there)
    const come = async () => (await browserAt(gate, 'app.localhost').open(`${APP}/`)).response.status
    const before = await doctor(gate, '--json')
    expect([before.code, JSON.parse(before.out)]).toMatchObject([3, { ok: false }])
    expect(before.out).toContain('HS256')
    expect(await come()).toBe(200)
    const good = await doctorSays(gate, 0)
    expect(good).toMatch(/ok {4}a user signed in at 20\d\d-.* UTC, and no sign-in failed since/)
    expect(good).not.toContain('HS256')
    there.behave({ signsInAtOnce: true, discovery, signing: 'hmac-public-key' })
    expect(await come()).toBe(502)
    const failing = await doctorSays(gate, 1)
    expect(failing).toMatch(/FAIL {2}the last sign-in failed at .*, and no user has signed in since 20.*HS256/)
    there.behave({ signsInAtOnce: true, discovery })
    expect(await come()).toBe(200)
    await doctorSays(gate, 0)
  })

  test('is not told by what a browser can say by itself', async () => {
    await using there = await startBadProvider()
    await using gate = await gateAt(there)
    for (const answer of [{ code: undefined, error: 'invalid_scope' }, { code: 'made-up' }]) {
      there.behave({ signsInAtOnce: true, answer })
      const page = await browserAt(gate, 'app.localhost').open(`${APP}/`)
      expect(page.response.status).toBe(502)
    }
    there.behave({ signsInAtOnce: true })
    const { code, out } = await doctor(gate)
    expect([code, out]).toEqual([3, expect.stringContaining(NOT_KNOWN)])
  })

  test('is waited for with --sign-in, which says where to sign in', async () => {
    await using there = await startBadProvider()
    there.behave({ signsInAtOnce: true })
    await using gate = await gateAt(there)
    let isOver = false
    const running = doctor(gate, '--sign-in').finally(() => {
      isOver = true
    })
    await eventually(() => there.asked.authorize > 0, 'doctor has begun')
    expect(isOver).toBe(false)
    await browserAt(gate, 'app.localhost').open(`${APP}/.sallyport/login?provider=id`)
    const { code, out, err } = await running
    expect(err).toContain(`Open this in a browser, and sign in:\n  ${APP}/.sallyport/login?provider=id\n`)
    expect([code, out]).toEqual([0, expect.stringContaining('ok    a user signed in at')])
  })
})
