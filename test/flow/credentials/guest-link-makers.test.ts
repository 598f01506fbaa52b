import { expect, test } from 'bun:test'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { portal, startBoard } from '../../kit/guest-links.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { openEvents, openWebSocket } from '../../kit/wire/streams.ts'

const board = untilTheEnd()(startBoard())
const { route, routes, create, ask, open, person, share } = board

const LINKS = 'guest_links = { allow = ["user"], max_uses = 5 }'

/** Statuses of some paths, asked with a guest's cookie. */
async function statuses(gate: Gate, cookie: string, paths: readonly string[]): Promise<readonly number[]> {
  const found: number[] = []
  for (const path of paths) found.push((await ask(gate, { path, cookie })).status)
  return found
}

const listen = (gate: Gate, path: string, cookie: string) => openEvents(gate, 'app.test', [`Cookie: ${cookie}`], path)

test('a guest enters no route that whoever made the link may not open, though it lies below what was shared', async () => {
  await using gate = await startGate(routes(LINKS))
  const [user, admin] = [await person(gate, 'bob', ['users']), await person(gate, 'ada', ['admins'])]
  const [ofUser, ofAdmin] = [await share(user, 'http://app.test/'), await share(admin, 'http://app.test/')]
  const [guest, other] = [await open(gate, ofUser), await open(gate, ofAdmin)]
  const paths = ['/', '/board', '/admin', '/admin/x', '/ADMIN', '/board;x/../admin']
  expect(await statuses(gate, guest.cookie, paths.slice(0, 4))).toEqual([200, 200, 302, 302])
  expect(await statuses(gate, other.cookie, paths.slice(0, 4))).toEqual([200, 200, 200, 200])
  // Whatever a backend may read as a path that the maker may not open.
  for (const path of ['/ADMIN', '/%61dmin', '//admin', '/admin;x']) {
    const answer = await ask(gate, { path, cookie: guest.cookie })
    expect([path, answer.status === 200 && answer.forwarded.toLowerCase().includes('admin')]).toEqual([path, false])
  }
  for (const fields of [{ accept: 'application/json' }, { upgrade: 'websocket', connection: 'Upgrade' }]) {
    const answer = await ask(gate, { path: '/admin/events', cookie: guest.cookie, fields })
    expect([answer.status, answer.forwarded]).toEqual([401, ''])
  }
  // With both links, the one that is good there counts.
  expect(await statuses(gate, `${guest.cookie}; ${other.cookie}`, ['/admin', '/board'])).toEqual([200, 200])
  // An operator's link follows nobody.
  const operators = await open(gate, await create(gate, 'http://app.test/'))
  expect(await statuses(gate, operators.cookie, ['/admin', '/board'])).toEqual([200, 200])
})

test('it is their roles of now that count: what they lose, their guests lose, open streams too', async () => {
  await using gate = await startGate(routes(LINKS), { recheckMs: 20 })
  const ada = await person(gate, 'ada', ['admins'])
  const { cookie } = await open(gate, await share(ada, 'http://app.test/'))
  using stream = await listen(gate, '/admin/events', cookie)
  expect(await statuses(gate, cookie, ['/admin', '/board'])).toEqual([200, 200])
  // A sign-in is when the gate hears of somebody anew, as a refresh is.
  await person(gate, 'ada', ['users'])
  await eventually(async () => (await statuses(gate, cookie, ['/admin'])).join() === '302', 'the guest is out')
  await eventually(stream.isOver, 'the stream is closed')
  expect(await statuses(gate, cookie, ['/board'])).toEqual([200])
  await person(gate, 'ada', ['admins'])
  await eventually(async () => (await statuses(gate, cookie, ['/admin'])).join() === '200', 'the guest is in again')
})

test('it is the file of now that counts: what it closes to them is closed to their guests, open streams too', async () => {
  await using gate = await startGate(routes(LINKS))
  const bob = await person(gate, 'bob', ['users'])
  const made = await share(bob, 'http://app.test/board')
  const { cookie } = await open(gate, made)
  using stream = await listen(gate, '/board/events', cookie)
  using socket = await openWebSocket(gate, 'app.test', [`Cookie: ${cookie}`], '/board/live')
  gate.save(`${portal(LINKS)}\n${route('app.test', 'allow = ["admin", { guest_link = true }]')}`)
  await eventually(stream.isOver, 'the stream is closed')
  await eventually(socket.isOver, 'the WebSocket is closed')
  expect(await statuses(gate, cookie, ['/board'])).toEqual([302])
  const page = await ask(gate, { path: `/.sallyport/guest?link=${made.text}` })
  expect([page.status, (await open(gate, made)).cookie]).toEqual([404, ''])
})

test('streams end where a file gives another reading of their path to a route that the maker may not open', async () => {
  await using gate = await startGate(routes(LINKS))
  const bob = await person(gate, 'bob', ['users'])
  const { cookie } = await open(gate, await share(bob, 'http://app.test/'))
  using stream = await listen(gate, '/board/events', cookie)
  using other = await listen(gate, '/events', cookie)
  gate.save(`${routes(LINKS)}\n${route('app.test', 'path = "/Board"\nallow = ["admin", { guest_link = true }]')}`)
  await eventually(stream.isOver, 'the stream is closed')
  expect([await statuses(gate, cookie, ['/board/x', '/x']), other.isOver()]).toEqual([[302, 200], false])
})

test('streams end where a file takes the role to make links from whoever made one', async () => {
  await using gate = await startGate(routes(LINKS))
  const bob = await person(gate, 'bob', ['users'])
  const { cookie } = await open(gate, await share(bob, 'http://app.test/board'))
  using stream = await listen(gate, '/board/events', cookie)
  gate.save(routes('guest_links = { allow = ["admin"] }'))
  await eventually(stream.isOver, 'the stream is closed')
})

test('they are judged in the guest’s place: by its method and network, and not by how fresh their sign-in is', async () => {
  await using gate = await startGate(
    [
      portal(LINKS),
      route('app.test', 'allow = ["user", { guest_link = true }]'),
      route(
        'app.test',
        'path = "/read"\nallow = [{ roles = "user", methods = ["GET", "POST"] }, { guest_link = true }]',
      ),
      route(
        'app.test',
        'path = "/inner"\nallow = [{ roles = "user", networks = "10.0.0.0/8" }, { guest_link = true }]',
      ),
      route(
        'app.test',
        'path = "/near"\nallow = [{ roles = "user", networks = "127.0.0.0/8" }, { guest_link = true }]',
      ),
      route('app.test', 'path = "/fresh"\nallow = [{ roles = "user", max_age = "5m" }, { guest_link = true }]'),
      route('app.test', 'path = "/strong"\nallow = [{ roles = "user", amr = "mfa" }, { guest_link = true }]'),
    ].join('\n'),
  )
  const bob = await person(gate, 'bob', ['users'])
  const { cookie } = await open(gate, await share(bob, 'http://app.test/'))
  expect(await statuses(gate, cookie, ['/read', '/inner', '/near', '/fresh', '/strong'])).toEqual([
    200, 403, 200, 200, 200,
  ])
  expect((await ask(gate, { path: '/read', method: 'POST', cookie, body: '' })).status).toBe(200)
  const put = await ask(gate, { path: '/read', method: 'PUT', cookie, body: '', fields: { accept: '*/*' } })
  expect([put.status, put.forwarded]).toEqual([403, ''])
})
