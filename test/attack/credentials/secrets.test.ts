import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { BAD_PROVIDER_CLIENT, startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeSaying } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

/** What must be in no log, no page, no address and no database; a test says which of these it made. */
const QUERY = 'QUERY-SECRET'
const FIELD = 'FIELD-SECRET'
const BODY = 'BODY-SECRET'
for (const secret of [QUERY, FIELD, BODY]) plant(secret, 'a secret of secrets.test.ts')

/** What the gate's answers held, all of them. */
const answers: string[] = []
const addresses: string[] = []

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
const gate = keep(
  await startGate(
    [
      providerTable(provider),
      portalTable(`${EVERYONE}\nroles.admin = { groups = ["nobody"] }`),
      routeSaying('in', 'app.example', 'portal = "home"\nallow = ["user"]'),
      routeSaying('in', 'app.example', 'path = "/admin"\nportal = "home"\nallow = ["admin"]'),
      routeForUsers({ port: 1 }, 'app.example', 'path = "/dead"\ntokens = true'),
    ].join('\n'),
    { server: 'log_level = "debug"\naccess_log = true' },
  ),
)

function browser(): BrowserLite {
  return new BrowserLite({
    async transport(address, init) {
      addresses.push(address.href)
      const { headers } = init
      headers.set('host', address.host)
      const isGate = address.host === 'app.example'
      const to = isGate ? `http://127.0.0.1:${gate.port}${address.pathname}${address.search}` : address.href
      const response = await fetch(to, { ...init, headers })
      if (isGate) {
        const text = await response.clone().text()
        const fields = [...response.headers].filter(([name]) => name !== 'set-cookie' && name !== 'location')
        answers.push(text + JSON.stringify(fields))
      }
      return response
    },
  })
}

test('no secret of a sign-in, of a request or of the file is in a log, a page, an address or a database', async () => {
  const secrets = new Set([
    QUERY,
    FIELD,
    BODY,
    'access-token-1',
    'eyJhbGci',
    'code-',
    BAD_PROVIDER_CLIENT.clientSecret,
    'refresh-',
  ])
  provider.behave({ signsInAtOnce: true, givesRefreshToken: true })
  const person = browser()
  expect((await person.open(`http://app.example/?token=${QUERY}`)).text).toBe('in')
  const failures = [
    {
      token: () =>
        Response.json(
          { error: 'invalid_grant', error_description: `${provider.lastToken().form} was used` },
          { status: 400 },
        ),
    },
    { token: () => new Response(`<html>${BODY}`, { status: 200 }) },
    { token: () => Response.json({ access_token: BODY, token_type: 'bearer', id_token: `eyJ.${BODY}.x` }) },
    { userinfo: () => new Response(BODY, { status: 500 }) },
    { userinfo: () => Response.json({ sub: 'other', note: BODY }) },
  ]
  for (const instead of failures) {
    provider.behave({ signsInAtOnce: true, instead })
    expect((await browser().open('http://app.example/')).response.status).toBeGreaterThanOrEqual(400)
  }
  provider.behave({ signsInAtOnce: true })
  const cookie = person.cookieHeader(new URL('http://app.example/'))
  const fields = [`Cookie: ${cookie}; app=${FIELD}`, `X-Api-Key: ${FIELD}`, `Referer: http://app.example/?t=${QUERY}`]
  for (const [line, ...more] of [
    [`GET /dead/x?token=${QUERY}`],
    [`GET /dead/x?token=${QUERY}`, `Authorization: Bearer ${FIELD}`],
    [`GET /dead/x?token=${QUERY}`, `Authorization: Basic ${btoa(`x:${FIELD}`)}`],
    [`GET /dead/x?token=${QUERY}`, `Authorization: Bearer sp_${'A'.repeat(43)}`],
    [`GET /admin?token=${QUERY}`],
    [`GET /..%2fx?token=${QUERY}`],
    [`GET /.sallyport/nothing?token=${QUERY}`],
    [`GET /.sallyport/callback?code=${QUERY}&state=${'B'.repeat(43)}`],
    [`GET /.sallyport/callback?error=${QUERY}&error_description=${QUERY}&state=${'B'.repeat(43)}`],
    [`GET /.sallyport/enter?ticket=${'C'.repeat(43)}`],
    [`GET /.sallyport/login?to=${'D'.repeat(60)}&provider=${QUERY}`],
    [`GET /.sallyport/login?return=/${QUERY}&return=/`],
    [`POST /.sallyport/logout`, 'Origin: https://evil.example'],
    [`TRACE /?token=${QUERY}`],
  ] as const) {
    const { raw } = await sendRaw(gate.port, rawRequest(line, 'app.example', [...fields, ...more, 'Accept: text/html']))
    answers.push(raw.toString('latin1').replace(/^(?:location|set-cookie):.*$/gim, ''))
  }
  for (const { name, value } of person.cookiesLike('app.example', 'sallyport')) if (name !== '') secrets.add(value)
  for (const letter of ['A', 'B', 'C']) secrets.add(letter.repeat(43))

  const logs = [...gate.log, ...gate.access]
  expect(logs.length).toBeGreaterThan(15)
  expect(gate.told('"level":"debug"')).not.toEqual([])
  for (const secret of secrets) {
    expect([secret, logs.filter(line => line.includes(secret))]).toEqual([secret, []])
    // A person's own address is where a page of theirs leads back to; nobody else sees either.
    if (secret === QUERY) continue
    // A style sheet has "unicode-range", and a code begins with "code-".
    const told = answers.map(text => text.replaceAll('unicode-range', '')).filter(text => text.includes(secret))
    expect([secret, told]).toEqual([secret, []])
    // A code comes in an address by the protocol, and is good once.
    if (secret !== 'code-')
      expect([secret, addresses.filter(address => address.includes(secret))]).toEqual([secret, []])
  }
  const files = readdirSync(gate.folder).filter(name => name.startsWith('sallyport.db'))
  const stored = files.map(name => readFileSync(join(gate.folder, name)).toString('latin1')).join('')
  expect(stored.length).toBeGreaterThan(1000)
  for (const secret of secrets) expect([secret, stored.includes(secret)]).toEqual([secret, false])
})
