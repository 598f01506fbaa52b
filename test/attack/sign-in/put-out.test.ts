/** Someone holds a form of ours open, is put out by an admin, and only then sends the rest of it. */
import { Database } from 'bun:sqlite'
import { expect } from 'bun:test'
import { join } from 'node:path'
import { runGuests } from '../../../src/cli/guests.ts'
import { runRequests } from '../../../src/cli/requests.ts'
import { runTokens } from '../../../src/cli/tokens.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import type { Listed } from '../../kit/asking.ts'
import { quietPorts } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { OWN_FORM } from '../../kit/fields.ts'
import { eventually, type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { sendForm, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'
import { hasHead, openWire, type WireResponse } from '../../kit/wire/wire.ts'

const { afterAll, beforeAll, describe, test } = needs('valkey-server')

const HOST = 'app.example'

const CONFIG = `${portalWith('admin_role = "admin"\npersonal_tokens = true\nguest_links = { allow = ["user"], max_uses = 5 }\nrequests = true')}
staff = { groups = ["staff"] }
[[routes]]
host = "${HOST}"
respond = { status = 200, body = "ok" }
portal = "home"
allow = ["user", { guest_link = true }]
tokens = true
[[routes]]
host = "${HOST}"
path = "/staff"
respond = { status = 200, body = "ok" }
portal = "home"
allow = ["staff"]
`

const MAKING = [
  ['tokens', 'act=create&name=late&days=365', 'sp_', runTokens],
  ['guests', `act=create&name=late&hours=24&uses=5&address=http%3A%2F%2F${HOST}%2F`, 'sg_', runGuests],
] as const

/** RFC 9112 §7.1. */
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** More rows than fit what lies between a gate and who reads them. */
async function fillTrail(gate: Gate, count: number): Promise<void> {
  const { store, sessions } = openSessionState(gate.server.config, quietPorts({ now: Date.now }))
  const atMs = Date.now()
  const record = JSON.stringify([atMs, 'sign_in', { portal: 'home', user: 'ada', agent: 'x'.repeat(250) }])
  for (let left = count; left > 0; left -= 5_000)
    await store.appendAudit(
      Array.from({ length: 5_000 }, () => ({ atMs, isFrequent: false, record })),
      3_600_000,
    )
  await sessions.close()
}

describe.each(['sqlite', 'redis'] as const)('sessions in %s', kind => {
  let gate: Gate
  let server: Awaited<ReturnType<typeof startValkey>> | null = null

  beforeAll(async () => {
    server = kind === 'redis' ? await startValkey() : null
    gate = await startGate(CONFIG, server === null ? {} : shared(server.url()))
  })
  afterAll(async () => {
    await gate[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })

  async function endSession(sessionId: string): Promise<void> {
    const { cookie } = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    const answer = await sendForm(gate, 'sessions', { ...OWN_FORM, host: HOST, cookie }, { act: 'end', id: sessionId })
    expect(await answer.json()).toEqual({ ended: true })
  }

  /** Sends a form in two parts, and does something between them. */
  async function sendSlowly(page: string, body: string, cookie: string, between: () => unknown): Promise<WireResponse> {
    const wire = await openWire(gate.port)
    const fields = Object.entries({ ...OWN_FORM, host: HOST, cookie, 'content-length': `${body.length}` })
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    await wire.send(`POST /.sallyport/${page} HTTP/1.1\r\n${head}\r\n${body.slice(0, 3)}`)
    // What is asked later is answered after this was begun.
    await statusOf(gate, '/', { host: HOST })
    await between()
    await wire.send(body.slice(3))
    const answer = await wire.receive()
    wire.close()
    return answer
  }

  test.each(MAKING)('nothing is made at %s by a form that ends after its session', async (page, body, prefix, run) => {
    const { cookie, sessionId } = await gate.signIn(HOST, { sub: `eve of ${page}` })
    const late = await sendSlowly(page, body, cookie, () => endSession(sessionId))
    expect([late.status, late.body.includes(prefix)]).toEqual([401, false])
    const listed = await runOn(gate, run, ['list', '--json'])
    expect(listed.out).not.toContain('late')
    const slow = await gate.signIn(HOST, { sub: `ada of ${page}` })
    const inTime = await sendSlowly(page, body, slow.cookie, () => undefined)
    expect([inTime.status, inTime.body.includes(prefix)]).toEqual([200, true])
  })

  test('nothing is asked for or granted by a form that ends after its session', async () => {
    const listed = async (): Promise<Listed> => JSON.parse((await runOn(gate, runRequests, ['list', '--json'])).out)
    const asking = 'role=staff&return=%2Fstaff'
    const eve = await gate.signIn(HOST, { sub: 'eve' })
    expect((await sendSlowly('ask', asking, eve.cookie, () => endSession(eve.sessionId))).status).toBe(401)
    expect((await listed()).requests).toEqual([])
    const ada = await gate.signIn(HOST, { sub: 'ada' })
    expect((await sendSlowly('ask', asking, ada.cookie, () => undefined)).status).toBe(303)
    const [{ id } = { id: '' }] = (await listed()).requests
    const granting = `act=grant&hours=always&id=${id}`
    const former = await gate.signIn(HOST, { sub: 'former', groups: ['admins'] })
    expect((await sendSlowly('admin', granting, former.cookie, () => endSession(former.sessionId))).status).toBe(401)
    expect((await listed()).grants).toEqual([])
    // Nor by that of somebody who is no admin any more by the file that is there by then.
    const demoted = await gate.signIn(HOST, { sub: 'demoted', groups: ['admins'] })
    const asOthers = CONFIG.replace('groups = ["admins"]', 'groups = ["others"]')
    const reloadWith = async (toml: string) => {
      gate.save(toml)
      expect(await gate.server.reload()).toBe('changed')
    }
    expect((await sendSlowly('admin', granting, demoted.cookie, () => reloadWith(asOthers))).status).toBe(403)
    await reloadWith(CONFIG)
    expect((await listed()).grants).toEqual([])
    const root = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    expect((await sendSlowly('admin', granting, root.cookie, () => undefined)).status).toBe(200)
    expect((await listed()).grants).toMatchObject([{ role: 'staff' }])
  })

  test('the audit trail is not exported by a form that ends after its session', async () => {
    const former = await gate.signIn(HOST, { sub: 'former', groups: ['admins'] })
    const late = await sendSlowly('audit', 'act=json', former.cookie, () => endSession(former.sessionId))
    expect([late.status, late.body.includes('former')]).toEqual([401, false])
    const root = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    expect((await sendSlowly('audit', 'act=json', root.cookie, () => undefined)).status).toBe(200)
  })

  test('the audit trail that somebody reads slowly breaks off with their session, and that is told', async () => {
    await fillTrail(gate, 30_000)
    const former = await gate.signIn(HOST, { sub: 'former', groups: ['admins'] })
    const wire = await openWire(gate.port)
    const fields = Object.entries({ ...OWN_FORM, host: HOST, cookie: former.cookie, 'content-length': '8' })
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    await wire.send(`POST /.sallyport/audit HTTP/1.1\r\n${head}\r\nact=json`)
    await eventually(() => hasHead(wire.received), 'it begins')
    wire.pause()
    await endSession(former.sessionId)
    wire.resume()
    await eventually(() => wire.isClosed || wire.received.subarray(-5).equals(LAST_CHUNK), 'it is over')
    expect(wire.received.subarray(-5).equals(LAST_CHUNK)).toBe(false)
    expect(gate.told('An export of the audit trail broke off', 'access.sign_in')).toHaveLength(1)
  }, 60_000)

  test('nobody’s guest link is revoked by a form of an admin that ends after its session', async () => {
    const ada = await gate.signIn(HOST, { sub: 'ada' })
    const wanted = { act: 'create', name: 'hers', hours: '24', uses: '5', address: `http://${HOST}/` }
    const made = await sendForm(gate, 'guests', { ...OWN_FORM, host: HOST, cookie: ada.cookie }, wanted)
    const { links } = (await made.json()) as {
      readonly links: readonly { readonly id: string; readonly name: string }[]
    }
    const { id = '' } = links.find(({ name }) => name === 'hers') ?? {}
    const former = await gate.signIn(HOST, { sub: 'former', groups: ['admins'] })
    const revoking = `act=revoke&id=${encodeURIComponent(id)}`
    expect((await sendSlowly('guests', revoking, former.cookie, () => endSession(former.sessionId))).status).toBe(401)
    expect((await runOn(gate, runGuests, ['list', '--json'])).out).toContain(id)
    const root = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
    expect((await sendSlowly('guests', revoking, root.cookie, () => undefined)).status).toBe(200)
    expect((await runOn(gate, runGuests, ['list', '--json'])).out).not.toContain(id)
  })

  test('nobody else is signed out by a form of an admin that ends after its session', async () => {
    const [eve, former] = [
      await gate.signIn(HOST, { sub: 'eve' }),
      await gate.signIn(HOST, { sub: 'former', groups: ['admins'] }),
    ]
    const ending = `act=end&id=${eve.sessionId}`
    expect((await sendSlowly('sessions', ending, former.cookie, () => endSession(former.sessionId))).status).toBe(401)
    expect(await statusOf(gate, '/', { host: HOST, cookie: eve.cookie })).toBe(200)
  })
})

test('that an admin ended a session, or its owner did, is in the audit trail, though the store fails at that', async () => {
  await using gate = await startGate(CONFIG)
  const eve = await gate.signIn(HOST, { sub: 'eve' })
  const { cookie } = await gate.signIn(HOST, { sub: 'root', groups: ['admins'] })
  const ada = await gate.signIn(HOST, { sub: 'ada' })
  const database = new Database(join(gate.folder, 'sallyport.db'))
  database.run("CREATE TRIGGER fail BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'not now'); END")
  const answer = await sendForm(
    gate,
    'sessions',
    { ...OWN_FORM, host: HOST, cookie },
    { act: 'end', id: eve.sessionId },
  )
  const own = await sendForm(gate, 'sessions', { ...OWN_FORM, host: HOST, cookie: ada.cookie }, { act: 'end-all' })
  database.run('DROP TRIGGER fail')
  database.close()
  expect([answer.status, own.status]).toEqual([503, 503])
  expect(gate.told('"event":"sign_out"')).toHaveLength(1)
  expect(gate.told('"event":"sign_out.by_admin"')).toHaveLength(1)
  const isOut = async () => (await statusOf(gate, '/', { host: HOST, cookie: eve.cookie })) !== 200
  await eventually(isOut, 'the session has ended')
})
