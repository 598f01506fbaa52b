import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, exportPKCS8, generateKeyPair, importPKCS8, SignJWT } from 'jose'
import { runClientKey } from '../../../src/cli/client-key.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { type BrowserLite, browserAt } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startProvider, type TestAccount, type TestClient, type TestProvider } from '../../kit/provider/provider.ts'
import { EVERYONE, portalTable, routeForUsers } from '../../kit/toml.ts'

const APP = 'http://app.example'
const STEP_MS = 11_000
const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`groups: ${request.headers.get('remote-groups') ?? ''}`)))

interface Stand {
  readonly gate: Gate
  readonly provider: TestProvider
  /** Signs in, in a browser of its own, and answers what the application says or the status. */
  signIn(): Promise<{ readonly browser: BrowserLite; readonly text: string }>
  /** Lets the portal ask again, until it has the groups, or the status. */
  seesAgain(browser: BrowserLite, expected: string): Promise<void>
}

const accounts: TestAccount[] = []

async function stand(
  client: Omit<TestClient, 'client_id'>,
  lines: string,
  files: Record<string, string>,
): Promise<Stand> {
  accounts.splice(0, accounts.length, { sub: 'ada', name: 'Ada', groups: ['a'] })
  let offsetMs = 0
  const registered = { client_id: 'gate', redirect_uris: [`${APP}/.sallyport/callback`], ...client }
  const provider = keep(await startProvider({ accounts, clients: [registered] }))
  const gate = keep(
    await startGate(
      `[providers.id]
issuer = "${provider.issuer}"
client_id = "gate"
${lines}
${portalTable(`refresh = "10s"\n${EVERYONE}`)}
${routeForUsers(upstream, 'app.example', 'headers = "remote"')}`,
      { files, ports: { now: () => Date.now() + offsetMs } },
    ),
  )
  const see = async (browser: BrowserLite) => {
    const answer = await browser.visit(`${APP}/`)
    return answer.status === 200 ? answer.text() : String(answer.status)
  }
  return {
    gate,
    provider,
    async signIn() {
      const browser = browserAt(gate, 'app.example')
      const { text } = await browser.signIn(`${APP}/`, 'ada')
      return { browser, text }
    },
    async seesAgain(browser, expected) {
      offsetMs += STEP_MS
      await see(browser)
      await eventually(async () => (await see(browser)) === expected, `the portal says ${expected}`)
    },
  }
}

async function makeKey(alg: string): Promise<string> {
  return exportPKCS8((await generateKeyPair(alg, { extractable: true })).privateKey)
}

/** What the command prints of a key: what is registered. */
async function publicKeys(key: string): Promise<{ readonly keys: readonly Record<string, unknown>[] }> {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'client-key.pem'), key)
  const { code, out } = await runIn(folder.path, io => runClientKey(['client-key.pem'], io))
  expect(code).toBe(0)
  const printed = JSON.parse(out)
  for (const jwk of printed.keys) expect(Object.keys(jwk).filter(name => /^(?:d|p|q|dp|dq|qi)$/.test(name))).toEqual([])
  return printed
}

async function jwk(alg: string): Promise<string> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return JSON.stringify({ ...(await exportJWK(privateKey)), alg, kid: 'of-the-gate' })
}

describe('private_key_jwt at a certified provider', () => {
  test.each([
    ['a key of EC as PEM', () => makeKey('ES256'), 'ES256'],
    ['a key of RSA as JWK', () => jwk('PS256'), 'PS256'],
    ['a key of Ed25519 as PEM', () => makeKey('Ed25519'), 'EdDSA'],
  ])('with %s: signs in, asks again, and hears of whoever is gone', async (_, make, alg) => {
    const key = await make()
    const client = {
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: alg,
      jwks: await publicKeys(key),
    } as const
    const { signIn, seesAgain, gate } = await stand(client, 'client_key = "client-key.pem"', { 'client-key.pem': key })
    const { browser, text } = await signIn()
    expect(text).toBe('groups: a')
    accounts.splice(0, 1, { sub: 'ada', groups: ['b'] })
    await seesAgain(browser, 'groups: b')
    accounts.splice(0)
    await seesAgain(browser, '302')
    expect(gate.told('invalid_grant')).not.toEqual([])
  })

  test('a key that changes is used without a restart; until then nobody is put out', async () => {
    const [first, second] = [await makeKey('ES256'), await makeKey('ES256')]
    const registered = { keys: [...(await publicKeys(first)).keys] }
    const client = { token_endpoint_auth_method: 'private_key_jwt', jwks: registered } as const
    const { signIn, seesAgain, gate } = await stand(client, 'client_key = "k.pem"', { 'k.pem': second })
    expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).response.status).toBe(502)
    expect(gate.told('invalid_client', 'sallyport client-key')).not.toEqual([])
    writeFileSync(join(gate.folder, 'k.pem'), first)
    await eventually(async () => (await signIn()).text === 'groups: a', 'the other key is used')
    const { browser } = await signIn()
    writeFileSync(join(gate.folder, 'k.pem'), second)
    await eventually(() => gate.told('The changed file is in use').length === 2, 'the file was read')
    await seesAgain(browser, 'groups: a')
    await eventually(() => gate.told('could not be checked', 'invalid_client').length > 0, 'the provider was asked')
    writeFileSync(join(gate.folder, 'k.pem'), first)
    accounts.splice(0, 1, { sub: 'ada', groups: ['c'] })
    await seesAgain(browser, 'groups: c')
  })
})

test('an assertion of somebody else is read from its file each time', async () => {
  const key = await makeKey('ES256')
  const client = { token_endpoint_auth_method: 'private_key_jwt', jwks: await publicKeys(key) } as const
  const signer = await importPKCS8(key, 'ES256')
  const { signIn, seesAgain, gate, provider } = await stand(client, 'client_assertion_file = "token"', {})
  async function rotate(): Promise<void> {
    const fresh = await new SignJWT({ iss: 'gate', sub: 'gate', aud: provider.issuer, jti: crypto.randomUUID() })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(signer)
    plant(fresh, 'assertion of a client')
    writeFileSync(join(gate.folder, 'token'), `${fresh}\n`)
  }
  expect(gate.told('does not exist', 'no user can sign in until the file exists')).not.toEqual([])
  await rotate()
  const { browser, text } = await signIn()
  expect(text).toBe('groups: a')
  accounts.splice(0, 1, { sub: 'ada', groups: ['b'] })
  await seesAgain(browser, 'groups: a')
  await eventually(
    () => gate.told('could not be checked', 'invalid_client').length > 0,
    'an assertion is good once there',
  )
  await rotate()
  await seesAgain(browser, 'groups: b')
  expect(gate.told('The changed file is in use')).toEqual([])
})

test('a secret of a file is read again when it changes', async () => {
  const client = { client_secret: 'the-right-secret' }
  const { signIn, gate } = await stand(client, 'client_secret = "${file:secret}"', { secret: 'the-old-secret\n' })
  expect((await browserAt(gate, 'app.example').signIn(`${APP}/`, 'ada')).response.status).toBe(502)
  writeFileSync(join(gate.folder, 'secret'), 'the-right-secret\n')
  await eventually(async () => (await signIn()).text === 'groups: a', 'the other secret is used')
})
