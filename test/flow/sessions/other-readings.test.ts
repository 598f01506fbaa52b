/** What is open at a path that can be read as one of another route goes on for as long as a new request there would pass. */
import { describe, expect, test } from 'bun:test'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { createToken } from '../../kit/commands.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers, routeTo } from '../../kit/toml.ts'
import { openEvents, openWebSocket } from '../../kit/wire/streams.ts'

const application = untilTheEnd()(startStreaming())

const HOST = 'app.test'
const PUBLIC = routeTo(application, HOST, 'allow = "public"')
/** What `/admin` may be read as. */
const admin = (lines = '') => routeForUsers(application, HOST, `path = "/Admin"\n${lines}`)
/** Of which the saves below leave nothing: whatever was to end has ended by when its stream has. */
const LAST = routeTo(application, 'last.test', 'allow = "public"')

const status = async ({ port }: Gate, fields: Readonly<Record<string, string>>) => {
  const request = { headers: { host: HOST, ...fields }, redirect: 'manual' } as const
  return (await fetch(`http://127.0.0.1:${port}/admin/x`, request)).status
}

async function save(gate: Gate, toml: string): Promise<void> {
  using last = await openEvents(gate, 'last.test')
  gate.save(PORTAL + toml)
  expect(gate.server.reload()).toBe('changed')
  await eventually(last.isOver, 'the stream of a route that is gone ends')
}

describe('whoever is found counts at the route of another reading, though the route itself has no portal:', () => {
  async function openBoth(gate: Gate) {
    const { cookie, sessionId } = await gate.signIn(HOST)
    const fields = [`Cookie: ${cookie}`]
    const events = await openEvents(gate, HOST, fields, '/admin/events')
    const socket = await openWebSocket(gate, HOST, fields, '/admin/socket')
    const isOver = () => [events.isOver(), socket.isOver()]
    return { cookie, sessionId, isOver, [Symbol.dispose]: () => [events, socket].map(one => one[Symbol.dispose]()) }
  }

  test('a save that changes nothing of theirs ends nothing, and one that shuts them out does', async () => {
    await using gate = await startGate(PORTAL + PUBLIC + admin() + LAST)
    using open = await openBoth(gate)
    await save(gate, PUBLIC + admin())
    expect([await status(gate, { cookie: open.cookie }), open.isOver()]).toEqual([200, [false, false]])
    gate.save(PORTAL + PUBLIC + admin('deny = [{ paths = "/admin*" }]'))
    await eventually(() => open.isOver().every(Boolean), 'both end')
    expect(await status(gate, { cookie: open.cookie })).toBe(400)
  })

  test('no look at rules about time ends it', async () => {
    const night = routeTo(
      application,
      'last.test',
      'portal = "home"\nallow = [{ roles = "user", hours = "00:00-24:00" }]',
    )
    await using gate = await startGate(PORTAL + PUBLIC + admin() + night, { recheckMs: 10 })
    using open = await openBoth(gate)
    await Bun.sleep(200)
    expect(open.isOver()).toEqual([false, false])
  })

  test('the end of its session ends it', async () => {
    await using gate = await startGate(PORTAL + PUBLIC + admin())
    using open = await openBoth(gate)
    using bobs = await openBoth(gate)
    using nobodys = await openEvents(gate, HOST, [], '/events')
    await gate.end(open.sessionId)
    await eventually(() => open.isOver().every(Boolean), 'both end')
    expect([bobs.isOver(), nobodys.isOver()]).toEqual([[false, false], false])
  })
})

describe('a save by which a new request is refused ends what is open:', () => {
  test('of a token, where the route of another reading takes none', async () => {
    const taking = routeForUsers(application, HOST, 'tokens = true')
    await using gate = await startGate(PORTAL + taking + LAST)
    const { token } = await createToken(gate)
    const fields = [`X-Sallyport-Token: ${token}`]
    using read = await openEvents(gate, HOST, fields, '/admin/events')
    using other = await openEvents(gate, HOST, fields, '/events')
    gate.save(PORTAL + taking + admin('tokens = true') + LAST)
    expect(gate.server.reload()).toBe('changed')
    expect(await status(gate, { 'x-sallyport-token': token })).toBe(200)
    await save(gate, taking + admin())
    await eventually(read.isOver, 'its stream ends')
    expect([await status(gate, { 'x-sallyport-token': token }), other.isOver()]).toEqual([400, false])
  })

  test('of a WebSocket, where the route of another reading has none', async () => {
    await using gate = await startGate(PORTAL + PUBLIC)
    using socket = await openWebSocket(gate, HOST, [], '/admin/socket')
    using events = await openEvents(gate, HOST, [], '/admin/events')
    gate.save(PORTAL + PUBLIC + routeTo(application, HOST, 'path = "/Admin"\nallow = "public"\nwebsockets = false'))
    await eventually(socket.isOver, 'it is closed')
    expect(events.isOver()).toBe(false)
  })

  test('where tools of the route of another reading are judged', async () => {
    await using gate = await startGate(PORTAL + routeForUsers(application, HOST))
    const { cookie } = await gate.signIn(HOST)
    using events = await openEvents(gate, HOST, [`Cookie: ${cookie}`], '/admin/events')
    gate.save(PORTAL + routeForUsers(application, HOST) + admin('tools = { allow = ["read_*"] }'))
    await eventually(events.isOver, 'its stream ends')
    expect(await status(gate, { cookie })).toBe(400)
  })
})
