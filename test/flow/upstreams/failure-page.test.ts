import { describe, expect, test } from 'bun:test'
import { type Gate, portalWith, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { freePort } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'

const PAGE = { host: 'app.test', accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

/** A gate whose only application is gone. */
async function gateToNothing(): Promise<Gate> {
  const more = 'portal = "home"\nallow = ["user"]\nname = "Photo <album>"'
  return startGate(portalWith('admin_role = "admin"') + routeTo({ port: await freePort() }, 'app.test', more))
}

async function load(gate: Gate, groups: readonly string[], fields: Readonly<Record<string, string>> = PAGE) {
  const { cookie } = await gate.signIn('app.test', { sub: groups.join(), groups })
  const answer = await fetch(`http://127.0.0.1:${gate.port}/x`, { headers: { ...fields, cookie } })
  expect(answer.status).toBe(502)
  return answer.text()
}

describe('the page of an application that does not answer', () => {
  test('names the application, and leads back to the others', async () => {
    await using gate = await gateToNothing()
    const page = htmlPage(await load(gate, ['users']))
    expect(page.one('h1').text).toBe('Photo <album> could not be reached')
    expect(page.all('a.act').map(one => [one.text, one.attribute('href')])).toEqual([
      ['Try again', '/x'],
      ['Your applications', '/.sallyport/'],
    ])
  })

  test('has the cause for an admin, and for nobody else', async () => {
    await using gate = await gateToNothing()
    const cause = /nothing answers at (?:http:\/\/)?127\.0\.0\.1/
    expect(await load(gate, ['users', 'admins'])).toMatch(cause)
    expect(await load(gate, ['users'])).not.toMatch(/127\.0\.0\.1/)
    expect(await load(gate, ['users', 'admins'], { host: 'app.test', accept: '*/*' })).not.toMatch(/127\.0\.0\.1/)
  })
})
