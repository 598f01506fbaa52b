import { describe, expect, test } from 'bun:test'
import { startSaying } from '../../kit/applications/answering.ts'
import { type Told, trailOf } from '../../kit/audit.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { createToken } from '../../kit/commands.ts'
import { bearer, OWN_FORM } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { statusOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startSaying('let through'))
const secret = await Bun.password.hash('secret', { algorithm: 'bcrypt', cost: 4 })

const HOME = 'home.test'
const APP = 'app.test'
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

function file(keepText = 'keep = "90d"', more = ''): string {
  return `[audit]
${keepText}
[providers.people]
users = "users.htpasswd"
[portals.home]
url = "http://${HOME}"
insecure_cookies = true
providers = ["people"]
personal_tokens = true
roles.user = { any = true }
roles.root = { subjects = ["htpasswd:root"] }
${routeTo(upstream, APP, 'portal = "home"\nallow = ["user"]\ntokens = true')}
${routeTo(upstream, APP, 'path = "/root"\nportal = "home"\nallow = ["root"]')}
${more}`
}

const start = (toml = file()) => startGate(toml, { files: { 'users.htpasswd': `ada:${secret}\n` } })

function browserOf(gate: Gate) {
  return browserAt(gate, HOME, APP)
}

async function signIn(gate: Gate, password = 'secret') {
  const browser = browserOf(gate)
  const form = await browser.open(`http://${APP}/?key=hidden`, { headers: { 'user-agent': AGENT } })
  const page = await browser.submit(form, { name: 'ada', password })
  return { browser, page }
}

/** The lines of the log that are of the trail, as the rows that they should be. */
function linesOf(gate: Gate): readonly Told[] {
  return gate.log.map(line => JSON.parse(line) as Told).filter(({ event }) => event !== undefined)
}

/** The last row of these, once there are so many. */
async function untilTold(gate: Gate, event: string, count = 1): Promise<Told> {
  let found: Told | undefined
  await eventually(async () => {
    const rows = await trailOf(gate, event)
    found = rows.at(-1)
    return rows.length >= count
  }, `${event} is told`)
  if (found === undefined) throw new Error(event)
  return found
}

describe('the audit trail of a gate', () => {
  test('a sign-in is a row before its answer, and each thing that follows is one row and one line', async () => {
    await using gate = await start()
    const { browser, page } = await signIn(gate)
    expect(page.text).toBe('let through')
    const [first] = await trailOf(gate)
    expect(first).toMatchObject({
      event: 'sign_in',
      user: 'htpasswd:ada',
      name: 'ada',
      provider: 'people',
      portal: 'home',
      client: '127.0.0.1',
    })
    expect(String(first?.session)).toMatch(/^[\w-]{12}$/)

    expect((await browser.open(`http://${APP}/root?key=hidden`)).response.status).toBe(403)
    expect(await untilTold(gate, 'access.refused')).toMatchObject({
      user: 'htpasswd:ada',
      route: `${APP}/root`,
      reason: 'role.missing',
      session: first?.session,
    })
    const out = await browser.submit(await browser.open(`http://${HOME}/.sallyport/logout`))
    expect(out.response.status).toBe(200)
    expect((await trailOf(gate, 'sign_out')).at(-1)).toMatchObject({ user: 'htpasswd:ada', session: first?.session })

    const lines = linesOf(gate)
    const rows = await trailOf(gate)
    expect(lines.map(({ event }) => event)).toEqual(rows.map(({ event }) => event))
    for (const [index, row] of rows.entries()) expect(lines[index]).toMatchObject(row)
    expect(JSON.stringify([lines, rows])).not.toContain('hidden')
  })

  test('a wrong password names whom it was for where there is such a one, and never what was typed', async () => {
    await using gate = await start()
    expect((await signIn(gate, 'a wrong one')).page.response.status).toBe(403)
    const browser = browserOf(gate)
    await browser.submit(await browser.open(`http://${APP}/`), { name: 'hunter2', password: 'ada' })
    expect(await untilTold(gate, 'sign_in.password_wrong', 2)).not.toHaveProperty('user')
    const wrong = await trailOf(gate, 'sign_in.password_wrong')
    expect(wrong.map(({ user }) => user)).toEqual(['htpasswd:ada', undefined])
    expect(JSON.stringify([wrong, gate.log])).not.toMatch(/hunter2|a wrong one/)
    expect(await trailOf(gate, 'sign_in')).toEqual(wrong)
  })

  test('a token is told of when it is first used, by one process alone, and when a wrong one comes', async () => {
    await using gate = await start()
    const { token, id } = await createToken(gate)
    const fields = { host: APP, 'user-agent': 'backup/1.0', ...bearer(token) }
    const all = await Promise.all(Array.from({ length: 9 }, () => statusOf(gate, '/', fields)))
    expect(new Set(all)).toEqual(new Set([200]))
    const used = { token: id, user: 'token:backup', client: '127.0.0.1', agent: 'backup/1.0', route: `${APP}/` }
    expect(await untilTold(gate, 'token.first_used')).toMatchObject(used)
    expect(await statusOf(gate, '/', fields)).toBe(200)
    expect(gate.told('token.first_used')).toHaveLength(1)
    const wrong = `sp_${'x'.repeat(43)}`
    for (let count = 0; count < 3; count++) {
      expect(await statusOf(gate, '/', { host: APP, ...bearer(wrong) })).toBe(401)
    }
    expect(await untilTold(gate, 'access.token_wrong')).toMatchObject({ route: `${APP}/`, client: '127.0.0.1' })
    expect(gate.told('access.token_wrong')).toHaveLength(3)
    expect(gate.log.join('\n')).not.toContain(wrong)
  })

  test('tokens that their owner makes and revokes are told of, and so is the file, taken over or refused', async () => {
    await using gate = await start()
    const { browser } = await signIn(gate)
    const tokens = `http://${HOME}/.sallyport/tokens`
    const page = await browser.open(tokens)
    const made = await browser.submit(page, { act: 'create', name: 'backup', days: '30' })
    const id = /token:[0-9a-f]{16}/.exec(made.text)?.[0] ?? ''
    await browser.visit(tokens, {
      method: 'POST',
      headers: { ...OWN_FORM, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ act: 'revoke', id }).toString(),
    })
    const told = await trailOf(gate, 'token')
    expect(told.map(({ event, token, user }) => [event, token, user])).toEqual([
      ['token.made', id, 'htpasswd:ada'],
      ['token.revoked', id, 'htpasswd:ada'],
    ])
    gate.save(file('keep = "30d"'))
    await gate.server.reload()
    gate.save(file('keep = "a while"'))
    await gate.server.reload()
    await untilTold(gate, 'config.refused')
    expect((await trailOf(gate, 'config')).map(({ event }) => event)).toEqual(['config.loaded', 'config.refused'])
    expect(gate.told('The changed file is in use', '"event":"config.loaded"')).toHaveLength(1)
    expect(gate.told('The changed file has errors', '"event":"config.refused"')).toHaveLength(1)
  })

  test('without [audit] there are lines, and no rows', async () => {
    await using gate = await start(file(''))
    const { browser } = await signIn(gate)
    await browser.open(`http://${APP}/root`)
    expect(linesOf(gate).map(({ event }) => event)).toEqual(['sign_in', 'access.refused'])
    expect(await trailOf(gate)).toEqual([])
  })
})
