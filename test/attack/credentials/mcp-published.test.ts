import { expect } from 'bun:test'
import { REDIRECT } from '../../kit/mcp/client.ts'
import { openPublishedStand, RESOURCE } from '../../kit/mcp/published-stand.ts'
import { needs } from '../../kit/needs.ts'

const { describe, test } = needs('openssl')

const { publisher, clock, ada, clientOf, startAnother } = await openPublishedStand()

/** What the page and an agreement are answered with, and how often anything was asked or connected to for them. */
async function tryWith(id: string, over: Readonly<Record<string, string | null>> = {}, cookie = ada.cookie) {
  // A minute later: starts are bounded by the minute.
  clock.advance(60_000)
  const before = [publisher.asked.length, publisher.dialled.length] as const
  const one = clientOf(id)
  const path = one.authorizePath(RESOURCE, over)
  const shown = await one.ask(path, { cookie, accept: 'text/html' })
  const agreed = await one.say(path, cookie)
  return {
    statuses: [shown.status, agreed.status],
    sent: [shown.headers.get('location'), agreed.headers.get('location')],
    asked: publisher.asked.length - before[0],
    dialled: publisher.dialled.length - before[1],
  }
}

const REFUSED = { statuses: [400, 400], sent: [null, null] }
const GOOD = publisher.publish('/client.json')

test('what is published well is let in here, so that the refusals below are those of their own mistake', async () => {
  const { statuses } = await tryWith(GOOD)
  expect(statuses).toEqual([200, 303])
})

describe('an id that is no address of a document is never asked for', () => {
  test.each([
    'http://client.example/client.json',
    'HTTPS://client.example/client.json',
    'https://Client.example/client.json',
    'https://client.example',
    'https://client.example/',
    'https://client.example:443/client.json',
    'https://client.example:8443/client.json',
    'https://user@client.example/client.json',
    'https://:secret@client.example/client.json',
    'https://client.example/client.json#x',
    'https://client.example/client.json#',
    'https://client.example/client.json?x=1',
    'https://client.example/client.json?',
    'https://client.example/x/../client.json',
    'https://client.example/./client.json',
    'https://client.example/x/%2e%2E/client.json',
    'https://client.example\\client.json',
    'https:client.example/client.json',
    ' https://client.example/client.json',
    'https://client.example/cl\tient.json',
    'https://client.example./client.json',
    'https://client/client.json',
    'https://localhost/client.json',
    'https://127.0.0.1/client.json',
    'https://127.1/client.json',
    'https://0x7f000001/client.json',
    'https://2130706433/client.json',
    'https://0177.0.0.1/client.json',
    'https://10.0.0.1/client.json',
    'https://93.184.216.34/client.json',
    'https://[::1]/client.json',
    'https://[::ffff:127.0.0.1]/client.json',
    'https://[fd00::1]/client.json',
    'https://①②⑦.0.0.1/client.json',
    `https://client.example/${'x'.repeat(400)}`,
    'file:///etc/passwd',
    'data:application/json,{}',
  ])('%s', async id => {
    expect(await tryWith(id)).toEqual({ ...REFUSED, asked: 0, dialled: 0 })
  })
})

describe('a name that leads inside is never connected to', () => {
  test.each([
    ['127.0.0.1'],
    ['127.255.255.254'],
    ['0.0.0.0'],
    ['10.1.2.3'],
    ['172.16.0.1'],
    ['192.168.1.1'],
    ['169.254.169.254'],
    ['100.64.0.1'],
    ['192.0.0.8'],
    ['192.0.2.1'],
    ['198.18.0.1'],
    ['224.0.0.1'],
    ['240.0.0.1'],
    ['255.255.255.255'],
    ['::1'],
    ['::'],
    ['0:0:0:0:0:0:0:1'],
    ['::ffff:10.0.0.1'],
    ['::ffff:7f00:1'],
    ['::7f00:1'],
    ['::127.0.0.1'],
    ['64:ff9b::a00:1'],
    ['64:ff9b:1::a00:1'],
    ['2002:a00:1::1'],
    ['2001::a00:1'],
    ['fd00::1'],
    ['fc00::1'],
    ['fe80::1'],
    ['fe80::1%eth0'],
    ['fec0::1'],
    ['ff02::1'],
    ['2001:db8::1'],
    ['4000::1'],
    ['0x7f.0.0.1'],
    ['no address'],
    ['93.184.216.34', '10.0.0.1'],
    ['93.184.216.34', '::1'],
    [],
  ])('%s %s', async (...addresses) => {
    publisher.names.set('inner.example', addresses)
    expect(await tryWith('https://inner.example/client.json')).toEqual({ ...REFUSED, asked: 0, dialled: 0 })
  })

  test('a name is resolved once, and the address that was looked at is the one that is asked', async () => {
    let count = 0
    const once = await startAnother({
      ask: publisher.ports.ask,
      resolve: async () => (count++ === 0 ? ['93.184.216.34'] : ['127.0.0.1']),
    })
    const { cookie } = await once.signIn('auth.test', { sub: 'ada' })
    const one = clientOf(GOOD, once)
    const before = publisher.dialled.length
    expect((await one.ask(one.authorizePath(RESOURCE), { cookie, accept: 'text/html' })).status).toBe(200)
    expect(publisher.dialled.slice(before)).toEqual(['93.184.216.34'])
    expect(count).toBe(1)
  })

  test('a machine whose certificate is for another name is not believed', async () => {
    const id = 'https://other.example/client.json'
    publisher.answers.set('/other.json', () => Response.json({ client_id: id, redirect_uris: [REDIRECT] }))
    expect(await tryWith('https://other.example/other.json')).toMatchObject({ ...REFUSED, asked: 0 })
  })
})

describe('a document that is not one', () => {
  const document = { client_id: 'https://client.example/bad.json', redirect_uris: [REDIRECT] }
  const text = JSON.stringify(document)
  const json = { 'content-type': 'application/json' }
  test.each<[string, () => Response]>([
    ['a redirect', () => Response.redirect(GOOD, 302)],
    ['a redirect inside', () => Response.redirect('http://127.0.0.1/', 307)],
    ['more than 5 KB', () => Response.json({ ...document, x: 'x'.repeat(5120) })],
    ['another status', () => Response.json(document, { status: 201 })],
    ['HTML', () => new Response(text, { headers: { 'content-type': 'text/html' } })],
    ['no type', () => new Response(new TextEncoder().encode(text))],
    ['a type that begins as JSON', () => new Response(text, { headers: { 'content-type': 'application/jsonp' } })],
    [
      'compressed',
      () => new Response(Bun.gzipSync(Buffer.from(text)), { headers: { ...json, 'content-encoding': 'gzip' } }),
    ],
    ['no JSON', () => new Response(`${text}}`, { headers: json })],
    ['a list', () => Response.json([document])],
    ['null', () => Response.json(null)],
    ['without client_id', () => Response.json({ redirect_uris: [REDIRECT] })],
    ['with the id of another', () => Response.json({ ...document, client_id: GOOD })],
    ['with its id in other letters', () => Response.json({ ...document, client_id: document.client_id.toUpperCase() })],
    ['without redirect_uris', () => Response.json({ client_id: document.client_id })],
    ['with none of them', () => Response.json({ ...document, redirect_uris: [] })],
    ['with one for a script', () => Response.json({ ...document, redirect_uris: [REDIRECT, 'javascript:alert(1)'] })],
    ['with one by plain HTTP', () => Response.json({ ...document, redirect_uris: [REDIRECT, 'http://a.example/'] })],
    ['with a secret', () => Response.json({ ...document, client_secret: 'x' })],
    ['with an end of a secret', () => Response.json({ ...document, client_secret_expires_at: 0 })],
    ...['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 1].map(
      (method): [string, () => Response] => [
        `of a client that proves itself by ${method}`,
        () => Response.json({ ...document, token_endpoint_auth_method: method }),
      ],
    ),
  ])('%s', async (_title, answer) => {
    publisher.answers.set('/bad.json', answer)
    expect(await tryWith(document.client_id)).toEqual({ ...REFUSED, asked: 2, dialled: 2 })
    publisher.answers.set('/bad.json', () => Response.json(document, { headers: { 'cache-control': 'no-store' } }))
    expect((await tryWith(document.client_id)).statuses).toEqual([200, 303])
  })
})

test('an address that the document does not list gets no answer', async () => {
  for (const redirect of ['https://evil.example/callback', `${REDIRECT}/`, 'http://localhost:4000/callback'])
    expect(await tryWith(GOOD, { redirect_uri: redirect })).toMatchObject(REFUSED)
})

test('nothing is fetched for a stranger, nor for what could not be granted', async () => {
  const id = publisher.publish('/unseen.json')
  expect((await tryWith(id, {}, '')).asked).toBe(0)
  expect(await tryWith(id, { resource: 'http://app.test/admin' })).toMatchObject({ statuses: [403, 403], asked: 0 })
  for (const over of [{ resource: 'http://app.test/other' }, { code_challenge: null }, { scope: 'admin' }])
    expect((await tryWith(id, over)).asked).toBe(0)
})

test('a code is for the client whose id it was asked by', async () => {
  const other = publisher.publish('/other-client.json')
  const one = clientOf(GOOD)
  for (const id of [other, `${GOOD}?`, ''])
    expect(await one.redeem(await one.code(RESOURCE, ada.cookie), RESOURCE, { client_id: id })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
  const { body } = await one.redeem(await one.code(RESOURCE, ada.cookie), RESOURCE)
  expect((await one.refresh(body.refresh_token ?? '', { client_id: other })).status).toBe(400)
})

test('how many documents one address may have fetched is bounded, as starts of sign-ins are', async () => {
  clock.advance(60_000)
  const before = publisher.asked.length
  const statuses = new Set<number>()
  for (let count = 0; count < 600 && !statuses.has(429); count++) {
    const one = clientOf(`https://client.example/none/${count}`)
    statuses.add((await one.ask(one.authorizePath(RESOURCE), { cookie: ada.cookie, accept: 'text/html' })).status)
  }
  expect([...statuses]).toEqual([400, 429])
  expect(publisher.asked.length - before).toBeLessThan(600)
})
