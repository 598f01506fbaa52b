import { describe, expect, test } from 'bun:test'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeTo } from '../../kit/toml.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** A closed host, an open one, and names below a wildcard, of which one is open and belongs to no portal. */
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const route = (host: string, more: string) => routeTo(upstream, host, more)
const toml = [
  PORTAL,
  route('closed.example', 'portal = "home"\nallow = ["user"]\nheaders = "x-token"'),
  route('open.example', 'allow = "public"'),
  route('*.wild.example', 'portal = "home"\nallow = ["user"]'),
  route('open.wild.example', 'allow = "public"'),
  route('127.0.0.1', 'allow = ["admin"]\nportal = "home"'),
].join('\n')
const gate = keep(await startGate(toml))
/** The same behind a proxy on this machine that is trusted. */
const behind = keep(await startGate(toml, { server: 'trusted_proxies = ["127.0.0.1"]' }))
const cookie = (await gate.signIn('closed.example', { sub: 'bob' })).cookie

function ask(host: string, fields: readonly string[] = [], at = gate) {
  return sendThrough(at.port, upstream, Buffer.from(rawRequest('GET /x', host, fields), 'latin1'))
}

describe('one canonical host is matched, forwarded and told', () => {
  test.each([
    ['closed.example', 'closed.example'],
    ['CLOSED.Example', 'closed.example'],
    ['closed.example.', 'closed.example'],
    ['CLOSED.example.:80', 'closed.example:80'],
    ['closed.example:00080', 'closed.example:80'],
    ['closed.example:8443', 'closed.example:8443'],
    ['\t closed.example \t', 'closed.example'],
  ])('Host: %j is %s', async (host, authority) => {
    const { response, received } = await ask(host, [`Cookie: ${cookie}`])
    expect(response.status).toBe(200)
    expect(linesOf(received, 'host')).toEqual([`Host: ${authority}`])
    expect(linesOf(received, 'x-forwarded-host')).toEqual([`x-forwarded-host: ${authority}`])
    expect(linesOf(received, 'forwarded')[0]).toContain(`host="${authority}"`)
    expect((await ask(host)).response.status).toBe(401)
  })
})

describe('a host that could be read as another', () => {
  const odd = [
    'closed.example,open.example',
    'open.example, closed.example',
    'open.example closed.example',
    'open.example\\@closed.example',
    'user@closed.example',
    'open.example@closed.example',
    'closed.example/',
    'open.example/../closed.example',
    'closed.example#open.example',
    'closed.example?',
    '%63losed.example',
    'closed%2eexample',
    'closed.example%00',
    'closed\x00.example',
    'closed.example..',
    'closed..example',
    '.closed.example',
    'closed.example:',
    'closed.example:99999',
    'closed.example:80:80',
    'closed.example:+80',
    'closed.example: 80',
    '[closed.example]',
    '[::ffff:127.0.0.1%25lo]',
    'closed\xb7example',
    'clos\xe9d.example',
    '\xe3\x80\x82closed.example',
    'http://closed.example',
    '"closed.example"',
    '*.wild.example',
    '-.wild.example',
    '',
  ]
  test.each(odd)('%j is refused, and nothing reaches the upstream', async host => {
    const { response, received } = await ask(host, [`Cookie: ${cookie}`])
    expect([400, 0]).toContain(response.status)
    expect(received).toBe('')
  })

  test.each(['0x7f.1', '127.1', '2130706433', '0177.0.0.1', '127.0.0.1.', '[::ffff:127.0.0.1]', 'localhost'])(
    'a number in disguise (%s) is no other spelling of an address with a route',
    async host => {
      const { response, received } = await ask(host)
      expect(host === '127.0.0.1.' ? [401] : [404]).toContain(response.status)
      expect(received).toBe('')
    },
  )

  test('two Host fields, in any spelling, are 400; a field that only looks like Host changes nothing', async () => {
    for (const second of ['Host: closed.example', 'host: open.example', 'HOST: closed.example']) {
      const { response, received } = await ask('open.example', [second])
      expect([second, response.status, received]).toEqual([second, 400, ''])
    }
    for (const name of [
      'X-Host',
      'X-Forwarded-Host',
      'X-Original-Host',
      'X-HTTP-Host-Override',
      'X-Forwarded-Server',
    ]) {
      const { response, received } = await ask('open.example', [`${name}: closed.example`])
      expect([name, response.status, received.includes('closed.example')]).toEqual([name, 200, false])
    }
  })

  test('what Host says counts in an absolute-form target too, for the match and for the upstream', async () => {
    for (const target of [
      'http://open.example/x',
      'http://open.example:80/x',
      'http://user:password@open.example/x',
      'https://open.example/x',
      'HTTP://OPEN.EXAMPLE/x',
    ]) {
      const raw = rawRequest(`GET ${target}`, 'closed.example')
      const { response, received } = await sendThrough(gate.port, upstream, raw)
      expect([target, [400, 401].includes(response.status), received]).toEqual([target, true, ''])
    }
  })
})

test('a trusted proxy that names two hosts, or none, names nobody', async () => {
  for (const value of ['closed.example, open.example', 'open.example,', 'open.example/', 'a b', '%6fpen.example']) {
    const { response, received } = await ask('open.example', [`X-Forwarded-Host: ${value}`], behind)
    expect([value, response.status, received]).toEqual([value, 400, ''])
  }
  const { response } = await ask('open.example', ['X-Forwarded-Host: closed.example'], behind)
  expect(response.status).toBe(401)
})

describe('an untrusted client does not say what addresses are made from', () => {
  const lies = [
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Port: 4444',
    'X-Forwarded-Prefix: /evil',
    'X-Original-URL: https://evil.example/',
    'X-Rewrite-URL: /evil',
    'X-Forwarded-Uri: /evil',
    'Forwarded: host=evil.example;proto=https',
    'Origin: https://evil.example',
    'Referer: https://evil.example/',
  ]
  const page = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document']

  test('no answer of ours has a word of it', async () => {
    for (const path of ['/x', '/.sallyport/', '/.sallyport/login', '/.sallyport/logout', '/.sallyport/me', '/y?z']) {
      for (const as of [page, []]) {
        const raw = rawRequest(`GET ${path}`, 'closed.example', [...as, ...lies])
        const { response, received } = await sendThrough(gate.port, upstream, raw)
        expect(received).toBe('')
        expect(response.raw.toString('latin1')).not.toMatch(/evil|\b4444\b/)
        const location = response.field('location')
        if (location !== null) expect(new URL(location, 'http://closed.example').origin).toBe('http://closed.example')
      }
    }
  })

  test('and no upstream hears it', async () => {
    const { received } = await ask('open.example', lies.slice(0, 8))
    expect(received).not.toMatch(/evil|\b4444\b/)
    expect(linesOf(received, 'x-forwarded-proto').map(line => line.toLowerCase())).toEqual(['x-forwarded-proto: http'])
  })
})

describe('a host with routes of its own', () => {
  test('has no part in the portal of a wildcard above it', async () => {
    const at = (host: string) => sendThrough(gate.port, upstream, rawRequest('GET /.sallyport/sessions', host))
    expect((await at('other.wild.example')).response.status).toBe(401)
    const { response, received } = await at('open.wild.example')
    expect([response.status, received]).toEqual([404, ''])
  })

  test('keeps its rules below a wildcard', async () => {
    expect((await ask('open.wild.example')).response.status).toBe(200)
    for (const host of ['other.wild.example', 'a.open.wild.example', 'xopen.wild.example'])
      expect([host, (await ask(host)).response.status]).toEqual([host, 401])
    for (const host of ['wild.example', 'xwild.example', 'evilwild.example'])
      expect([host, (await ask(host)).response.status]).toEqual([host, 404])
  })

  test('does not take the cookie of another host', async () => {
    const wild = (await gate.signIn('a.wild.example', { sub: 'bob' })).cookie
    expect((await ask('a.wild.example', [`Cookie: ${wild}`])).response.status).toBe(200)
    for (const host of ['b.wild.example', 'closed.example'])
      expect([host, (await ask(host, [`Cookie: ${wild}`])).response.status]).toEqual([host, 401])
  })
})
