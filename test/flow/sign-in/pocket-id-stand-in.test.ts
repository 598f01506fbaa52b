import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { pocketIdClient } from '../../kit/provider/pocket-id/people.ts'
import { type PocketId, pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'

interface Recorded {
  readonly request?: string
  readonly status: number
  readonly body: unknown
}

const recorded: Readonly<Record<string, Recorded>> = JSON.parse(
  readFileSync(`${import.meta.dir}/../../recorded/pocket-id-2.9.0.json`, 'utf8'),
)
const CALLBACK = 'https://auth.example.com/.sallyport/callback'
const basic = (id: string, secret: string) => `Basic ${btoa(`${id}:${secret}`)}`

function start(version: '2.9' | '2.14' = '2.9', hasInner = false): Promise<PocketId> {
  const client = pocketIdClient('gate', { secrets: ['right-secret'], callbackURLs: [CALLBACK] })
  return pocketId({ version, clients: [client], hasInner })
}

/** What has to be asked for each answer that was recorded. */
const QUESTIONS: Readonly<Record<string, (at: string, key: string) => Request>> = {
  discovery: at => new Request(`${at}/.well-known/openid-configuration`),
  'token: right client, wrong code, basic': at =>
    post(`${at}/api/oidc/token`, { grant_type: 'authorization_code', code: 'x' }, basic('gate', 'right-secret')),
  'token: right client, wrong code, post': at => token(at, { code: 'x' }),
  'token: wrong secret': at => token(at, { client_secret: 'wrong', code: 'x' }),
  'token: unknown client': at => token(at, { client_id: 'nobody', code: 'x' }),
  'token: no client': at => post(`${at}/api/oidc/token`, { grant_type: 'authorization_code', code: 'x' }),
  'token: refresh that is nothing': at => token(at, { grant_type: 'refresh_token', refresh_token: 'x' }),
  'token: unknown grant': at => token(at, { grant_type: 'password' }),
  'par: right callback, post': at => par(at, {}),
  'par: wrong callback, post': at => par(at, { redirect_uri: 'https://other.example/x' }),
  'par: wrong secret, post': at => par(at, { client_secret: 'wrong' }),
  'par: right callback, basic': at => parBasic(at, 'right-secret', CALLBACK),
  'par: wrong callback, basic': at => parBasic(at, 'right-secret', 'https://other.example/x'),
  'par: wrong secret, basic': at => parBasic(at, 'wrong', CALLBACK),
  'callback-url: right': at => callbackUrl(at, 'gate', CALLBACK),
  'callback-url: wrong callback': at => callbackUrl(at, 'gate', 'https://other.example/x'),
  'callback-url: unknown client': at => callbackUrl(at, 'nobody', CALLBACK),
  'userinfo: no token': at => new Request(`${at}/api/oidc/userinfo`),
  'userinfo: nonsense': at => new Request(`${at}/api/oidc/userinfo`, { headers: { authorization: 'Bearer nonsense' } }),
  'introspect: nonsense': at => post(`${at}/api/oidc/introspect`, { token: 'x' }, basic('gate', 'right-secret')),
  'end-session without hint': at => new Request(`${at}/api/oidc/end-session`, { redirect: 'manual' }),
  'api with a wrong key': at => new Request(`${at}/api/oidc/clients`, { headers: { 'x-api-key': 'wrong' } }),
  'client credentials': at => token(at, { grant_type: 'client_credentials' }),
  'POST /api/oidc/clients': (at, key) => json(`${at}/api/oidc/clients`, NEW_CLIENT, key),
  'POST /api/oidc/clients/ID/secret': (at, key) => json(`${at}/api/oidc/clients/gate/secret`, {}, key),
  'POST /api/oidc/clients with a name of 51 characters': (at, key) =>
    json(`${at}/api/oidc/clients`, { ...NEW_CLIENT, name: 'n'.repeat(51) }, key),
}

const NEW_CLIENT = {
  name: 'Sallyport (app.example.com)',
  callbackURLs: [CALLBACK],
  logoutCallbackURLs: ['https://auth.example.com/.sallyport/signed-out'],
  launchURL: null,
  isPublic: false,
  pkceEnabled: true,
}

function post(address: string, form: Readonly<Record<string, string>>, authorization?: string): Request {
  const headers = authorization === undefined ? {} : { authorization }
  return new Request(address, { method: 'POST', body: new URLSearchParams(form), headers })
}

function json(address: string, body: object, key: string): Request {
  return new Request(address, { method: 'POST', body: JSON.stringify(body), headers: { 'x-api-key': key } })
}

function token(at: string, changed: Readonly<Record<string, string>>): Request {
  return post(`${at}/api/oidc/token`, {
    grant_type: 'authorization_code',
    client_id: 'gate',
    client_secret: 'right-secret',
    ...changed,
  })
}

function par(at: string, changed: Readonly<Record<string, string>>): Request {
  const form = { client_id: 'gate', client_secret: 'right-secret', response_type: 'code', redirect_uri: CALLBACK }
  return post(`${at}/api/oidc/par`, { ...form, ...changed })
}

function parBasic(at: string, secret: string, redirectUri: string): Request {
  return post(`${at}/api/oidc/par`, { response_type: 'code', redirect_uri: redirectUri }, basic('gate', secret))
}

function callbackUrl(at: string, clientID: string, callbackURL: string): Request {
  return json(`${at}/api/oidc/authorize/callback-url`, { clientID, callbackURL }, '')
}

/** What differs from one Pocket ID to another is put as it was recorded. */
function comparable(text: string, { issuer, inner }: PocketId): unknown {
  const moved = text.replaceAll(inner, 'https://id.example.com').replaceAll(issuer, 'https://id.example.com')
  try {
    return JSON.parse(moved, (name, value) => {
      if (/^(?:secret|request_uri|access_token)$/.test(name)) return '<text>'
      return name === 'id' ? 'CLIENT-ID' : value
    })
  } catch {
    return moved
  }
}

describe('the stand-in for Pocket ID 2.9', () => {
  test.each(Object.entries(QUESTIONS))('answers as it was recorded: %s', async (name, ask) => {
    await using there = await start()
    const response = await fetch(ask(there.issuer, there.apiKey))
    const text = await response.text()
    const before = recorded[name]
    expect(before).toBeDefined()
    expect(response.status).toBe(before?.status ?? 0)
    if (response.status === 302) expect(response.headers.get('location')).toBe(`${there.issuer}/logout`)
    else expect(comparable(text, there)).toEqual(before?.body)
  })

  test('names another address for programs where it has one', async () => {
    await using there = await start('2.9', true)
    const text = await (await fetch(`${there.issuer}/.well-known/openid-configuration`)).text()
    const moved = text
      .replaceAll(there.inner, 'http://pocket-id:1411')
      .replaceAll(there.issuer, 'https://id.example.com')
    expect(JSON.parse(moved)).toEqual(recorded['discovery with INTERNAL_APP_URL']?.body)
    expect((await fetch(`${there.inner}/.well-known/jwks.json`)).status).toBe(200)
  })
})

describe('the stand-in for Pocket ID 2.14', () => {
  const refusals: readonly [string, number, string][] = [
    ['token: right client, wrong code, basic', 400, 'invalid_grant'],
    ['token: wrong secret', 401, 'invalid_client'],
    ['token: unknown client', 401, 'invalid_client'],
    ['token: refresh that is nothing', 400, 'invalid_grant'],
    ['token: unknown grant', 400, 'unsupported_grant_type'],
    ['par: wrong callback, basic', 400, 'invalid_request'],
    ['par: wrong secret, basic', 401, 'invalid_client'],
  ]
  test.each(refusals)('speaks RFC 6749: %s', async (name, status, error) => {
    await using there = await start('2.14')
    const response = await fetch(QUESTIONS[name]?.(there.issuer, there.apiKey) ?? there.issuer)
    expect([response.status, await response.json()]).toEqual([status, expect.objectContaining({ error })])
  })

  test('takes Basic at its PAR endpoint, and has no callback-url', async () => {
    await using there = await start('2.14')
    expect((await fetch(parBasic(there.issuer, 'right-secret', CALLBACK))).status).toBe(201)
    expect((await fetch(callbackUrl(there.issuer, 'gate', CALLBACK))).status).toBe(404)
  })
})
