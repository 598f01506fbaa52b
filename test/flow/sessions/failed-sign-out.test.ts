/** What is to end and cannot be: whoever asked is told that it still holds, and why. */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'

const HOST = 'app.example'
const ROUTE = `[[routes]]\nhost = "${HOST}"\nrespond = { body = "let through" }\nportal = "home"\nallow = ["user"]\n`

function ask(gate: Gate, path: string, cookie: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${gate.port}${path}`, {
    ...init,
    redirect: 'manual',
    headers: { host: HOST, cookie, ...init.headers },
  })
}

describe.each([
  ['signing out', '/.sallyport/logout', ''],
  ['ending all of one’s own sessions', '/.sallyport/sessions', 'act=end-all'],
])('%s while the store cannot be written', (_, path, body) => {
  test('says in every language that it did not work, and changes nothing', async () => {
    await using gate = await startGate(PORTAL + ROUTE)
    const { cookie } = await gate.signIn(HOST)
    expect(await (await ask(gate, '/', cookie)).text()).toBe('let through')
    const send = (fields: Record<string, string>) =>
      ask(gate, path, cookie, {
        method: 'POST',
        body,
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'sec-fetch-site': 'same-origin',
          ...fields,
        },
      })
    const other = new Database(join(gate.folder, 'sallyport.db'))
    other.run('BEGIN EXCLUSIVE')
    const [told, shown] = await Promise.all([
      send({ accept: 'application/json' }),
      send({ accept: 'text/html', 'accept-language': 'de' }),
    ])
    other.run('ROLLBACK')
    other.close()
    expect([told.status, shown.status]).toEqual([503, 503])
    expect(await told.json()).toMatchObject({ code: 'session.end', detail: expect.stringContaining('still valid') })
    expect(await shown.text()).toContain('gilt weiter')
    expect(told.headers.getSetCookie()).toEqual([])
    expect(await (await ask(gate, '/', cookie)).text()).toBe('let through')
    expect((await send({})).status).toBe(303)
    expect((await ask(gate, '/', cookie)).status).not.toBe(200)
  }, 60_000)
})
