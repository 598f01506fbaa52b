import { expect } from 'bun:test'
import { createPublications } from '../../../src/portal/authorization/publications.ts'
import { eventually } from '../../kit/gate.ts'
import { type McpClient, REDIRECT } from '../../kit/mcp/client.ts'
import { openPublishedStand, RESOURCE } from '../../kit/mcp/published-stand.ts'
import { needs } from '../../kit/needs.ts'
import { fetchFrom } from '../../kit/requests.ts'

const { test } = needs('openssl')

const { gate, publisher, clock, ada, clientOf } = await openPublishedStand()

const page = async (one: McpClient) => {
  const answer = await one.ask(one.authorizePath(RESOURCE), { cookie: ada.cookie, accept: 'text/html' })
  return { status: answer.status, text: await answer.text() }
}

test('the metadata of the server says that clients may publish themselves', async () => {
  const answer = await fetchFrom(gate, '/.well-known/oauth-authorization-server', { host: 'auth.test' })
  expect(await answer.json()).toMatchObject({ client_id_metadata_document_supported: true })
})

test('a client whose id is the address of its document gets tokens, and renews them', async () => {
  const one = clientOf(publisher.publish('/oauth/client.json'))
  const { status, text } = await page(one)
  expect(status).toBe(200)
  for (const shown of [
    'Let Published use',
    'publishes its name at client.example.',
    'The answer goes to 127.0.0.1:4000.',
  ])
    expect(text).toContain(shown)
  const { body } = await one.redeem(await one.code(RESOURCE, ada.cookie), RESOURCE)
  const use = (token = '') => fetchFrom(gate, '/mcp', { host: 'app.test', authorization: `Bearer ${token}` })
  expect(await (await use(body.access_token)).text()).toBe('here')
  const renewed = await one.refresh(body.refresh_token ?? '')
  expect(await (await use(renewed.body.access_token)).text()).toBe('here')
  // Under its own name, at the address that was looked at; and the page and the answer to it took one fetch.
  expect(publisher.asked).toEqual(['client.example/oauth/client.json'])
  expect(publisher.dialled).toEqual(['93.184.216.34'])
})

test('a client that has registered is said to be published nowhere', async () => {
  const one = clientOf('')
  await one.register()
  expect((await page(one)).text).not.toContain('publishes its name')
})

test.each([
  ['nothing', {}, 299, 301],
  ['an hour', { 'cache-control': 'public, max-age=3600' }, 3599, 3601],
  ['a week: a day', { 'cache-control': 'max-age=604800' }, 86_399, 86_401],
])('a document is good for as long as its answer says: %s', async (title, headers, goodS, overS) => {
  const path = `/kept/${encodeURIComponent(title)}.json`
  const one = clientOf(publisher.publish(path, {}, headers))
  const count = () => publisher.asked.filter(asked => asked.endsWith(path)).length
  const fresh = await gate.signIn('auth.test', { sub: 'ada' })
  const look = async () => {
    const { cookie } = count() === 0 ? fresh : await gate.signIn('auth.test', { sub: 'ada' })
    return (await one.ask(one.authorizePath(RESOURCE), { cookie, accept: 'text/html' })).status
  }
  expect(await look()).toBe(200)
  clock.advance(goodS * 1000)
  expect([await look(), count()]).toEqual([200, 1])
  clock.advance((overS - goodS) * 1000)
  expect([await look(), count()]).toEqual([200, 2])
})

test('what must not be kept is fetched each time, and mistakes are never kept', async () => {
  const { cookie } = await gate.signIn('auth.test', { sub: 'ada' })
  const look = async (one: McpClient) =>
    (await one.ask(one.authorizePath(RESOURCE), { cookie, accept: 'text/html' })).status
  const one = clientOf(publisher.publish('/never.json', {}, { 'cache-control': 'no-store, max-age=60' }))
  expect([await look(one), await look(one)]).toEqual([200, 200])
  expect(publisher.asked.filter(path => path.endsWith('/never.json'))).toHaveLength(2)
  const late = clientOf('https://client.example/late.json')
  expect(await look(late)).toBe(400)
  publisher.publish('/late.json')
  expect(await look(late)).toBe(200)
})

test('those who wait for one document at the same time share one fetch, and so many may be under way', async () => {
  const publications = createPublications({ ...publisher.ports, now: clock.now })
  const id = publisher.publish('/shared.json', {}, { 'cache-control': 'no-store' })
  let counted = 0
  const count = () => void counted++
  const found = await Promise.all([1, 2, 3].map(() => publications.find(id, 'ada', count)))
  expect(found).toEqual(Array(3).fill({ name: 'Published', redirects: [REDIRECT] }))
  expect(publisher.asked.filter(path => path.endsWith('/shared.json'))).toHaveLength(1)
  expect(counted).toBe(3)
  const many = Array.from({ length: 65 }, (_, index) => publications.find(`${id}${index}`, `${index % 33}`, count))
  const refusals = await Promise.all(many)
  expect(refusals.filter(refusal => refusal === 'cannot be fetched beside so many others')).toHaveLength(1)
})

test('whose client is at a host that never answers holds up themselves alone, and is let go on after that', async () => {
  const never = Promise.withResolvers<Response>()
  const eve = await gate.signIn('auth.test', { sub: 'eve' })
  const bob = await gate.signIn('auth.test', { sub: 'bob' })
  const look = (id: string, { cookie }: { readonly cookie: string }) => {
    const one = clientOf(id)
    return one.ask(one.authorizePath(RESOURCE), { cookie, accept: 'text/html' })
  }
  const slow = Array.from({ length: 20 }, (_, index) => publisher.publish(`/slow${index}.json`))
  for (const id of slow) publisher.answers.set(new URL(id).pathname, () => never.promise)
  const answers: number[] = []
  const waiting = slow.map(async id => answers.push((await look(id, eve)).status))
  await eventually(() => answers.length === 18, 'all but two are refused')
  expect(answers).toEqual(Array.from({ length: 18 }, () => 400))
  const honest = publisher.publish('/honest.json')
  expect((await look(honest, bob)).status).toBe(200)
  // What is known is not fetched.
  expect((await look(honest, eve)).status).toBe(200)
  expect(answers).toHaveLength(18)
  never.resolve(new Response(null, { status: 404 }))
  await Promise.all(waiting)
  expect((await look(publisher.publish('/after.json'), eve)).status).toBe(200)
})

test('names and hosts that never answer are given up', async () => {
  const never = new Promise<never>(() => {})
  const ports = { ...publisher.ports, now: clock.now }
  const id = publisher.publish('/silent.json')
  publisher.answers.set('/silent.json', () => never)
  expect(await createPublications(ports, 50).find(id, 'ada', () => {})).toContain('in time')
  const unnamed = createPublications({ ...ports, resolve: () => never }, 50)
  expect(await unnamed.find(id, 'ada', () => {})).toContain('has no address')
})
