import { expect, test } from 'bun:test'
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { createToken } from '../../kit/commands.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startValkey, type Valkey } from '../../kit/programs/valkey.ts'
import { type Fields, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { openWire, type Wire } from '../../kit/wire/wire.ts'

const HOST = 'app.example'
const LOST = 'The session store was emptied or put back'
const TOML = `${PORTAL}
[[routes]]
host = "${HOST}"
upstream = "http://127.0.0.1:PORT"
portal = "home"
allow = ["user"]
tokens = true
`

const keep = untilTheEnd()
const upstream = keep(startStreaming())
const valkey = keep(await startValkey())
let database = 2

/** Two machines on a database of their own; db is its number, and the next one is free. */
async function twoNodes(act: (nodes: readonly [Gate, Gate], db: number) => Promise<void>): Promise<void> {
  const db = database
  database += 2
  const toml = TOML.replace('PORT', `${upstream.port}`)
  await using one = await startGate(toml, shared(valkey.url(db)))
  await using other = await startGate(toml, shared(valkey.url(db)))
  await act([one, other], db)
}

const status = (gate: Gate, fields: Fields) =>
  statusOf(gate, '/', { host: HOST, accept: 'application/json', ...fields })

/** An event stream and a WebSocket of somebody who is signed in. */
async function openBoth({ port }: Gate, cookie: string): Promise<readonly [Wire, Wire]> {
  const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${cookie}\r\n`
  const events = await openWire(port)
  await events.send(`${head('/events')}\r\n`)
  await eventually(() => events.received.includes('begun'), 'the stream begins')
  const socket = await openWire(port)
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  await socket.send(`${head('/socket')}Connection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n`)
  await eventually(() => socket.received.includes(' 101 '), 'the WebSocket opens')
  return [events, socket]
}

/** An event stream whose last chunk has come, or a WebSocket that was told to close (RFC 6455 §5.5.1: opcode 8, with a code and a reason). */
function hasEnded({ isClosed, received }: Wire): boolean {
  const frames = received.subarray(received.indexOf('\r\n\r\n') + 4)
  return isClosed || frames[0] === 0x88 || frames.includes('\r\n0\r\n\r\n')
}

/** Copies all of a database into the one after it. */
async function copyOf(server: Valkey, db: number): Promise<number> {
  for (const key of (await server.ask(db, 'KEYS', '*')).split('\n')) {
    expect(await server.ask(db, 'COPY', key, key, 'DB', `${db + 1}`)).toBe('1')
  }
  return db + 1
}

needs('valkey-server').test(
  'whoever was known is signed out within a second of FLUSHALL, on every machine, and so is what they have open',
  () =>
    twoNodes(async (nodes, db) => {
      const { cookie } = await nodes[0].signIn(HOST, { sub: 'ada' })
      const { token } = await createToken(nodes[0])
      for (const node of nodes) {
        expect([await status(node, { cookie }), await status(node, { authorization: `Bearer ${token}` })]).toEqual([
          200, 200,
        ])
      }
      const open = [...(await openBoth(nodes[0], cookie)), ...(await openBoth(nodes[1], cookie))]
      expect(await valkey.ask(db, 'FLUSHDB')).toBe('OK')
      for (const node of nodes) {
        await eventually(async () => (await status(node, { cookie })) === 401, 'no user is signed in')
        expect(await status(node, { authorization: `Bearer ${token}` })).toBe(401)
        expect(node.told(LOST)).toHaveLength(1)
      }
      await eventually(() => open.every(hasEnded), 'what they had open has ended')
      // It goes on as it would with a new server.
      const again = await nodes[0].signIn(HOST, { sub: 'ada' })
      expect([await status(nodes[0], again), await status(nodes[1], again)]).toEqual([200, 200])
      expect(nodes.map(node => node.told(LOST).length)).toEqual([1, 1])
    }),
)

needs('valkey-server').test(
  'a server that is put back to what it was signs out whoever came after that, and nobody else',
  () =>
    twoNodes(async (nodes, db) => {
      const early = await nodes[0].signIn(HOST, { sub: 'ada' })
      const ended = await nodes[0].signIn(HOST, { sub: 'eve' })
      const heard = [await nodes[0].signIn(HOST, { sub: 'sid' }), await nodes[0].signIn(HOST, { sub: 'pat' })]
      for (const who of [ended, ...heard]) for (const node of nodes) expect(await status(node, who)).toBe(200)
      const copy = await copyOf(valkey, db)
      await nodes[0].end(ended.sessionId)
      for (const node of nodes) await eventually(async () => (await status(node, ended)) === 401, 'it has ended')
      const late = await nodes[0].signIn(HOST, { sub: 'bob' })
      for (const node of nodes) expect([await status(node, early), await status(node, late)]).toEqual([200, 200])
      // A machine knows that a server is behind by what it has heard from it: of each of these from the other one.
      for (const [index, { sessionId }] of heard.entries()) await nodes[index]?.end(sessionId)
      for (const who of heard) {
        for (const node of nodes) await eventually(async () => (await status(node, who)) === 401, 'it is heard')
      }
      const [stays] = await openBoth(nodes[1], early.cookie)
      const [ends] = await openBoth(nodes[1], late.cookie)
      expect(await valkey.ask(db, 'SWAPDB', `${db}`, `${copy}`)).toBe('OK')
      for (const node of nodes) {
        await eventually(async () => (await status(node, late)) === 401, 'the late one is signed out')
        expect(await status(node, early)).toBe(200)
        // It is in the copy, and every machine knows that it has ended.
        expect(await status(node, ended)).toBe(401)
      }
      await eventually(() => hasEnded(ends), 'the late one has nothing open')
      expect(hasEnded(stays)).toBe(false)
      stays.close()
    }),
)

needs('valkey-server').test(
  'a connection that is cut signs nobody out and ends nothing, whatever is asked meanwhile',
  () =>
    twoNodes(async ([node], db) => {
      const ada = await node.signIn(HOST, { sub: 'ada' })
      expect(await status(node, ada)).toBe(200)
      const open = await openBoth(node, ada.cookie)
      let isDone = false
      const seen = new Map<number, number>()
      const load = Promise.all(
        Array.from({ length: 8 }, async () => {
          while (!isDone) {
            const got = await status(node, ada)
            seen.set(got, (seen.get(got) ?? 0) + 1)
          }
        }),
      )
      for (let round = 1; round <= 3; round++) {
        await valkey.ask(db, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        await eventually(() => node.told('The session store is back').length === round, 'it is back')
        // Until what was in memory has been read anew.
        await Bun.sleep(700)
      }
      isDone = true
      await load
      expect([...seen.keys()]).toEqual([200])
      expect(open.map(hasEnded)).toEqual([false, false])
      expect([node.told(LOST), node.told('has lost what was last written')]).toEqual([[], []])
      for (const wire of open) wire.close()
    }),
  300_000,
)

test('of a database that is taken away, what its people have open ends as they do', async () => {
  await using gate = await startGate(TOML.replace('PORT', `${upstream.port}`))
  const ada = await gate.signIn(HOST, { sub: 'ada' })
  expect(await status(gate, ada)).toBe(200)
  const open = await openBoth(gate, ada.cookie)
  renameSync(join(gate.folder, 'sallyport.db'), join(gate.folder, 'elsewhere.db'))
  await eventually(async () => (await status(gate, ada)) === 401, 'no user is signed in')
  await eventually(() => open.every(hasEnded), 'what they had open has ended')
})
