import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { makeAuthority } from '../../kit/certificates.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'
import { secureFetch } from '../../kit/wire/tls.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(request => new Response(`for ${request.headers.get('x-token-subject')}`)))
const forUsers = (host: string) => routeForUsers(upstream, host, 'headers = "x-token"')

test('a provider that is asked inside signs people in at its public address', async () => {
  await using inside = await startBadProvider()
  const issuer = 'https://id.example.com'
  inside.behave({
    signsInAtOnce: true,
    discovery: { issuer, authorization_endpoint: `${issuer}/authorize` },
    claims: { iss: issuer },
    answer: { iss: issuer },
  })
  await using gate = await startGate(`
${providerTable({ ...inside, issuer }, `internal_url = "${inside.issuer}"`)}
${portalTable(EVERYONE)}
${forUsers('app.example.com')}`)
  const browser = new BrowserLite({
    transport: ({ protocol, host, pathname, search }, init) => {
      const at = protocol === 'https:' && host === 'id.example.com' ? inside.issuer : `http://127.0.0.1:${gate.port}`
      init.headers.set('host', host)
      return fetch(at + pathname + search, init)
    },
  })
  const { text, trail } = await browser.open('http://app.example.com/')
  expect(text).toBe('for user-1')
  expect(trail.filter(address => address.startsWith(`${issuer}/authorize?`))).toHaveLength(1)
})

test('an address in plain HTTP is told at the start', async () => {
  const provider = providerTable({ issuer: 'https://id.example.com', clientId: 'gate', clientSecret: 'a-secret' })
  const toml = (url: string) =>
    `${provider}internal_url = "${url}"\n${portalTable(EVERYONE)}${forUsers('app.example.com')}`
  await using plain = await startGate(toml('http://pocket-id:1411'))
  await using secure = await startGate(toml('https://pocket-id:1411'))
  expect(plain.told('go to http://pocket-id:1411 over plain HTTP')).toHaveLength(1)
  expect(secure.told('pocket-id:1411')).toEqual([])
})

needs('openssl').test(
  'a provider behind the gate itself is asked through it, with an authority of its own, which is read again',
  async () => {
    const [authority, stranger] = [makeAuthority(), makeAuthority()]
    const server = authority.issue('DNS:localhost,DNS:app.localhost')
    const port = await freePort()
    const issuer = `https://localhost:${port}`
    await using behind = await startBadProvider()
    const at = (path: string) => issuer + path
    behind.behave({
      signsInAtOnce: true,
      discovery: {
        issuer,
        authorization_endpoint: at('/authorize'),
        token_endpoint: at('/token'),
        userinfo_endpoint: at('/userinfo'),
        jwks_uri: at('/jwks'),
      },
      claims: { iss: issuer },
      answer: { iss: issuer },
    })
    await using gate = await startGate(
      `
[tls]
listen = ["127.0.0.1:${port}"]
certificates = [{ cert = "gate.pem", key = "gate.key" }]
${providerTable({ ...behind, issuer }, 'ca = "ca.pem"')}
${portalTable(EVERYONE)}
${routeTo({ port: Number(new URL(behind.issuer).port) }, 'localhost', 'allow = "public"')}
${forUsers('app.localhost')}`,
      { files: { 'gate.pem': server.cert, 'gate.key': server.key, 'ca.pem': stranger.cert } },
    )
    const open = () =>
      new BrowserLite({
        transport: ({ hostname, pathname, search }, init) =>
          secureFetch({ port, name: hostname, ca: authority.cert }, pathname + search, {
            ...init,
            headers: Object.fromEntries(init.headers),
          }),
      }).open(`https://app.localhost:${port}/`)
    expect((await open()).response.status).toBe(503)
    expect(gate.told('discovery failed', 'no authority that is trusted here')).toHaveLength(1)
    writeFileSync(join(gate.folder, 'ca.pem'), authority.cert)
    await eventually(async () => (await open()).text === 'for user-1', 'the new authority is trusted')
  },
)
