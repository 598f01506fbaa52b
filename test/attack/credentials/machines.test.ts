import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ask } from '../../../src/console/network.ts'
import { fakeClock } from '../../kit/clock.ts'
import { createToken } from '../../kit/commands.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, type Misbehaviour, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'
import { hasHead, httpResponse, openWire, sendRaw, startRawUpstream, type WireResponse } from '../../kit/wire/wire.ts'

const AUDIENCE = 'https://gate.example/api'
const HASH = '$2y$04$dRuo0H3THqMPxQdrZ.yac.TW2vG7Njo8HARhL2xXxLeaDh0fP/Fo2'

/** Every address that a provider's name leads to and the gate asked for. */
const fetched: string[] = []

const keep = untilTheEnd()
const clock = fakeClock(Date.now())
const folder = keep(temporaryFolder())
const provider = keep(await startBadProvider(() => Math.floor(clock.now() / 1000)))
const upstream = keep(
  await startRawUpstream(async connection => {
    while (!connection.isClosed) {
      await connection.receive({ until: hasHead, timeoutMs: 300_000 })
      const isStream = connection.received.toString('latin1').includes('GET /events')
      const head = 'HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\ndata: begun\n\n'
      await connection.send(isStream ? head : httpResponse(200, 'UPSTREAM'))
    }
  }),
)
writeFileSync(join(folder.path, 'people'), `ada:${HASH}\n`)
const route = (more: string, host = 'app.test') =>
  routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\n${more}`)
const gate = keep(
  await startGate(
    [
      providerTable(provider, `access_tokens = { audience = "${AUDIENCE}" }`),
      portalTable(`${EVERYONE}\nroles.admin = { groups = ["admins"] }\nhtpasswd = "${join(folder.path, 'people')}"`),
      route('allow = ["user"]\ntokens = true\npasswords = true'),
      route('path = "/admin"\nallow = ["admin"]\ntokens = true'),
      route('path = "/people"\nallow = ["user"]'),
    ].join('\n'),
    {
      recheckMs: 20,
      ports: {
        now: clock.now,
        ask(address, init) {
          fetched.push(address)
          return ask(address, init)
        },
      },
    },
  ),
)

/** A raw request with these lines among its fields; what came back, and whether the upstream heard of it. */
async function send(
  lines: readonly string[],
  path = '/',
  { method = 'GET', body = '' } = {},
): Promise<{ readonly answer: WireResponse; readonly saw: string }> {
  const before = upstream.text.length
  const length =
    body === '' ? [] : [`Content-Length: ${body.length}`, 'Content-Type: application/x-www-form-urlencoded']
  const head = [`${method} ${path} HTTP/1.1`, 'Host: app.test', 'Connection: close', ...length, ...lines]
  const answer = await sendRaw(gate.port, Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`, 'latin1'))
  return { answer, saw: upstream.text.slice(before) }
}

async function expectDenied(
  lines: readonly string[],
  path = '/',
  more: Parameters<typeof send>[2] = {},
): Promise<void> {
  const { answer, saw } = await send(lines, path, more)
  expect([path, answer.status === 400 || answer.status === 401 || answer.status === 403, saw]).toEqual([path, true, ''])
}

const token = (...more: readonly string[]) => createToken(gate, more, clock)

/** An access token with the right claims (RFC 9068 §2.2), laid over by these. */
const accessToken = (over: Pick<Misbehaviour, 'claims' | 'header' | 'signing'> = {}) =>
  provider.accessToken(AUDIENCE, over)

/** A token with its parts changed after it was signed. */
function tamper(
  jwt: string,
  change: (parts: { header: object; claims: object }) => { header: object; claims: object },
): string {
  const [header = '', claims = '', signature = ''] = jwt.split('.')
  const parse = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as object
  const changed = change({ header: parse(header), claims: parse(claims) })
  const write = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  return `${write(changed.header)}.${write(changed.claims)}.${signature}`
}

describe('a token of ours', () => {
  test('counts only where it stands in one field of its own (RFC 6750 §2.2 and §2.3 are left out)', async () => {
    const made = await token()
    expect((await send([`Authorization: Bearer ${made.token}`])).answer.status).toBe(200)
    const lines: (readonly string[])[] = [
      [`Authorization: Bearer ${made.token}`, `Authorization: Bearer ${made.token}`],
      [`Authorization: Bearer ${made.token}`, 'Authorization: Basic YTpi'],
      ['Authorization: Basic YTpi', `Authorization: Bearer ${made.token}`],
      [`Authorization: Bearer ${made.token},`],
      [`Authorization: Bearer ${made.token} x`],
      [`Authorization: Bearer\t${made.token}`],
      [`Authorization: ${made.token}`],
      [`Authorization: Bearer "${made.token}"`],
      [`Authorization: Bearer sp_sp_${made.token.slice(3)}`],
      [`Authorization: Basic ${btoa(`x:${made.token}:y`)}`],
      [`Authorization: Basic ${btoa(`x: ${made.token}`)}`],
      [`Authorization: Digest username="${made.token}"`],
      [`X-Sallyport-Token: ${made.token}`, `X-Sallyport-Token: ${made.token}`],
      [`X-Sallyport-Token: Bearer ${made.token}`],
      [`X-Sallyport-Token: ${made.token}`, `Authorization: Bearer sp_${'A'.repeat(43)}`],
      [`X_Sallyport_Token: ${made.token}`],
      [`Proxy-Authorization: Bearer ${made.token}`],
      [`X-Authorization: Bearer ${made.token}`],
      [`X-Api-Key: ${made.token}`],
      [`Cookie: sallyport=${made.token}; token=${made.token}; access_token=${made.token}`],
      [`Sec-WebSocket-Protocol: bearer, ${made.token}`],
    ]
    for (const one of lines) await expectDenied(one)
    for (const name of ['access_token', 'token', 'Authorization', 'x-sallyport-token', 'bearer']) {
      await expectDenied([], `/?${name}=${made.token}`)
      await expectDenied([], '/', { method: 'POST', body: `${name}=${made.token}` })
    }
  })

  test('never leaves towards the application, in whichever field it was taken from', async () => {
    const made = await token()
    for (const line of [
      `Authorization: Bearer ${made.token}`,
      `Authorization: Basic ${btoa(`x:${made.token}`)}`,
      `X-Sallyport-Token: ${made.token}`,
    ]) {
      const { answer, saw } = await send([line, 'Connection: X-Sallyport-Token, Authorization'])
      expect(answer.status).toBe(200)
      expect(saw).not.toContain(made.token)
      expect(saw).not.toContain(btoa(`x:${made.token}`))
    }
  })

  test('does not reach beyond its path by anything that the application could decode', async () => {
    const made = await token('--path', '/api')
    const field = [`Authorization: Bearer ${made.token}`]
    expect((await send(field, '/api/x')).answer.status).toBe(200)
    for (const path of [
      '/',
      '/api%2f..%2fpeople',
      '/api/%2e%2e/people',
      '/api;/x/../../people',
      '/api/..;/people',
      '//api/../people',
      '/api%5c..%5cpeople',
      '/API',
      '/api%00',
      '/api%23/../people',
      '/apix',
      '/api..',
      '/%61dmin',
      '/api/%252e%252e/people',
    ]) {
      await expectDenied(field, path)
    }
  })

  test('of some methods is not another one by a field that overrides the method', async () => {
    const made = await token('--methods', 'GET')
    const field = `Authorization: Bearer ${made.token}`
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X_HTTP_Method_Override']) {
      const { answer, saw } = await send([field, `${name}: DELETE`])
      expect([name, answer.status, /method/i.test(saw)]).toEqual([name, 200, false])
    }
    await expectDenied([field], '/', { method: 'POST', body: '_method=GET' })
  })

  test('closes its streams when its time is over, though nobody asks anything', async () => {
    const made = await token('--expires', '1h')
    const wire = await openWire(gate.port)
    await wire.send(`GET /events HTTP/1.1\r\nHost: app.test\r\nAuthorization: Bearer ${made.token}\r\n\r\n`)
    await wire.receive({ until: received => received.includes('begun') })
    await Bun.sleep(60)
    const isOver = () => wire.isClosed || wire.received.toString('latin1').endsWith('0\r\n\r\n')
    expect(isOver()).toBe(false)
    clock.advance(61 * 60_000)
    await eventually(isOver, 'the stream is closed')
    wire.close()
  })

  test('that is guessed costs the store nothing but look-ups, and is never somebody', async () => {
    for (let index = 0; index < 200; index++) {
      const guess = `sp_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`
      expect((await send([`Authorization: Bearer ${guess}`])).answer.status).toBe(401)
    }
  })
})

describe('an access token of a provider', () => {
  const nowS = () => Math.floor(clock.now() / 1000)

  test('is taken, and goes no further', async () => {
    const jwt = await accessToken({ claims: { aud: ['other', AUDIENCE, AUDIENCE] } })
    const { answer, saw } = await send([`Authorization: Bearer ${jwt}`])
    expect(answer.status).toBe(200)
    expect(saw).not.toContain(jwt)
  })

  const refused: [title: string, make: () => Promise<string>][] = [
    ['unsigned', () => accessToken({ signing: 'none' })],
    [
      'unsigned, in other letters',
      async () =>
        tamper(await accessToken({ signing: 'none' }), ({ header, claims }) => ({
          header: { ...header, alg: 'nOnE' },
          claims,
        })),
    ],
    ['with an empty signature', async () => `${(await accessToken()).split('.').slice(0, 2).join('.')}.`],
    ['signed with the public key as a secret', () => accessToken({ signing: 'hmac-public-key' })],
    ['of a stranger', () => accessToken({ signing: 'stranger' })],
    [
      'with other claims than were signed',
      async () =>
        tamper(await accessToken(), ({ header, claims }) => ({ header, claims: { ...claims, groups: ['admins'] } })),
    ],
    [
      'with another subject than was signed',
      async () => tamper(await accessToken(), ({ header, claims }) => ({ header, claims: { ...claims, sub: 'root' } })),
    ],
    [
      'that names an extension as critical',
      async () =>
        tamper(await accessToken(), ({ header, claims }) => ({ header: { ...header, crit: ['exp'], exp: 1 }, claims })),
    ],
    ['expired', () => accessToken({ claims: { exp: nowS() - 61 } })],
    ['that ends in a text', () => accessToken({ claims: { exp: '9999999999' } })],
    ['without an end', () => accessToken({ claims: { exp: undefined } })],
    ['without a beginning', () => accessToken({ claims: { iat: undefined } })],
    ['from the future', () => accessToken({ claims: { iat: nowS() + 61 } })],
    ['not good yet', () => accessToken({ claims: { nbf: nowS() + 61 } })],
    ['of nobody', () => accessToken({ claims: { sub: undefined } })],
    ['of an empty somebody', () => accessToken({ claims: { sub: '' } })],
    ['of a list of people', () => accessToken({ claims: { sub: ['user-1'] } })],
    ['of a somebody without end', () => accessToken({ claims: { sub: 'x'.repeat(256) } })],
    ['typed as an ID token of some kind', () => accessToken({ header: { typ: 'id+jwt' } })],
    ['typed as a logout token', () => accessToken({ header: { typ: 'logout+jwt' } })],
    ['typed as a proof', () => accessToken({ header: { typ: 'dpop+jwt' } })],
    [
      'that is a logout token without its type',
      () =>
        accessToken({
          header: { typ: 'JWT' },
          claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } },
        }),
    ],
    ['that is an ID token without its type', () => accessToken({ header: { typ: 'JWT' }, claims: { nonce: 'n' } })],
  ]
  test.each(refused)('%s is 401, and the application hears of nothing', async (_title, make) => {
    const { answer, saw } = await send([`Authorization: Bearer ${await make()}`, 'Accept: text/html'])
    expect([answer.status, saw]).toEqual([401, ''])
    expect(answer.field('location')).toBeNull()
    expect(answer.field('www-authenticate')).toStartWith('Bearer')
  })

  const foreign: [title: string, claims: Record<string, unknown>][] = [
    ['for others', { aud: ['other', 'another'] }],
    ['for nobody', { aud: [] }],
    ['for no one in particular', { aud: undefined }],
    ['for a list of lists', { aud: [[AUDIENCE]] }],
    ['for us as a key', { aud: { [AUDIENCE]: true } }],
    ['for what begins like us', { aud: `${AUDIENCE}/other` }],
    ['for us in other letters', { aud: AUDIENCE.toUpperCase() }],
    ['for the client that signs people in', { aud: BAD_PROVIDER_CLIENT.clientId }],
    ['of another issuer', { iss: 'https://other.example' }],
    ['of an issuer with a slash more', { iss: 'SLASH' }],
    ['of no issuer', { iss: undefined }],
  ]
  test.each(foreign)('%s lets nobody in', async (_title, claims) => {
    const over = claims.iss === 'SLASH' ? { iss: `${provider.issuer}/` } : claims
    await expectDenied([`Authorization: Bearer ${await accessToken({ claims: over })}`])
  })

  test('leads nowhere by the addresses and keys in its head', async () => {
    const jwk = { kty: 'oct', k: Buffer.alloc(32, 1).toString('base64url') }
    const before = fetched.length
    for (const header of [
      { jku: 'http://127.0.0.1:9/keys', kid: 'mine' },
      { x5u: 'http://127.0.0.1:9/cert', kid: 'mine' },
      { jwk, alg: 'HS256' },
      { x5c: ['AAAA'] },
      { kid: '../../../../dev/null' },
      { kid: "' OR 1=1 --" },
    ]) {
      const jwt = tamper(await accessToken({ signing: 'stranger' }), parts => ({
        header: { ...parts.header, ...header },
        claims: parts.claims,
      }))
      await expectDenied([`Authorization: Bearer ${jwt}`])
    }
    for (const address of fetched.slice(before)) expect(address).toStartWith(provider.issuer)
  })

  test('a thousand made-up key ids at once cost at most one more look at the keys', async () => {
    expect((await send([`Authorization: Bearer ${await accessToken()}`])).answer.status).toBe(200)
    clock.advance(61_000)
    const before = provider.asked.jwks
    const jwts = await Promise.all(
      Array.from({ length: 1000 }, (_, index) => accessToken({ header: { kid: `made-up-${index}` } })),
    )
    for (let from = 0; from < jwts.length; from += 100) {
      const answers = await Promise.all(jwts.slice(from, from + 100).map(jwt => send([`Authorization: Bearer ${jwt}`])))
      expect(answers.every(({ answer }) => answer.status === 401)).toBe(true)
    }
    expect(provider.asked.jwks - before).toBeLessThanOrEqual(1)
    expect((await send([`Authorization: Bearer ${await accessToken()}`])).answer.status).toBe(200)
  }, 300_000)

  test('counts nowhere but in Authorization', async () => {
    const jwt = await accessToken()
    for (const line of [
      `X-Sallyport-Token: ${jwt}`,
      `Proxy-Authorization: Bearer ${jwt}`,
      `Cookie: sallyport=${jwt}`,
      `X-Access-Token: ${jwt}`,
      `Authorization: Basic ${btoa(`x:${jwt}`)}`,
      `Authorization: JWT ${jwt}`,
    ]) {
      await expectDenied([line])
    }
    await expectDenied([], `/?access_token=${jwt}`)
    await expectDenied([], '/', { method: 'POST', body: `access_token=${jwt}` })
  })

  test('has the roles of its claims, whole and of the right kind', async () => {
    for (const groups of ['admins', ['admins,x'], [['admins']], { admins: true }, ['Admins'], ['admins ']]) {
      await expectDenied([`Authorization: Bearer ${await accessToken({ claims: { groups } })}`], '/admin')
    }
    const { answer } = await send(
      [`Authorization: Bearer ${await accessToken({ claims: { groups: ['admins'] } })}`],
      '/admin',
    )
    expect(answer.status).toBe(200)
  })

  test('brings no roles of its own along', async () => {
    await expectDenied([`Authorization: Bearer ${await accessToken({ claims: { roles: ['admin'] } })}`], '/admin')
  })
})

describe('a password', () => {
  test('counts only in Authorization, on routes that take it, and neither as a token nor in an address', async () => {
    const pair = btoa('ada:secret')
    for (const line of [
      `Proxy-Authorization: Basic ${pair}`,
      `X-Authorization: Basic ${pair}`,
      `Cookie: authorization=Basic ${pair}`,
    ]) {
      await expectDenied([line])
    }
    await expectDenied([`Authorization: Basic ${pair}`], '/people')
    await expectDenied([`Authorization: Basic ${pair}`, `Authorization: Basic ${pair}`])
    await expectDenied([`Authorization: Basic ${btoa(`ada:${HASH}`)}`])
    await expectDenied([`Authorization: Basic ${btoa(`ada:secret\0`)}`])
    await expectDenied([`Authorization: Basic ${btoa('htpasswd:ada:secret')}`])
  })
})
