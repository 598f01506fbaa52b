import { describe, expect, test } from 'bun:test'
import { type Gate, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { freePort } from '../../kit/programs/child.ts'
import { routeTo } from '../../kit/toml.ts'

const PAGE = { host: 'app.example', accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

/** A gate whose only application is gone, with a clock of its own. */
async function gateToNothing(clock: { now: number }): Promise<Gate> {
  const route = routeTo({ port: await freePort() }, 'app.example', 'allow = "public"')
  return startGate(route, { ports: { now: () => clock.now } })
}

async function load(gate: Gate, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${gate.port}${path}`, { headers: PAGE, ...init })
  const html = htmlPage(await response.text())
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    again: html.all('[data-again]')[0]?.attribute('data-again') ?? null,
    html,
  }
}

describe('a page for an application that fails', () => {
  test('counts down to the same address, from more the longer it has been failing', async () => {
    const clock = { now: 1_800_000_000_000 }
    await using gate = await gateToNothing(clock)
    const waits: (string | null)[] = []
    for (let round = 0; round < 5; round++) {
      const { status, retryAfter, again, html } = await load(gate, '/deep?x=1&y=2')
      expect([status, again]).toEqual([502, retryAfter])
      expect(html.link('Try again')).toBe('/deep?x=1&y=2')
      waits.push(retryAfter)
      clock.now += 31_000
    }
    expect(waits).toEqual(['5', '10', '20', '30', '30'])
  })

  test('never sends a form again, and says so', async () => {
    await using gate = await gateToNothing({ now: 1_800_000_000_000 })
    const { status, retryAfter, again, html } = await load(gate, '/save', { method: 'POST', body: 'a=1' })
    expect([status, retryAfter, again]).toEqual([502, '5', null])
    expect(html.text).toContain('is not sent again automatically')
    expect(html.link('Try again')).toBeNull()
  })

  test('leads nowhere else, whatever the address is', async () => {
    await using gate = await gateToNothing({ now: 1_800_000_000_000 })
    for (const path of ['//evil.example/x', '/%5c/evil.example', '/"><b>']) {
      const { again, html } = await load(gate, path)
      expect(again).toMatch(/^\d+$/)
      expect(html.has('meta[http-equiv], [data-to], b')).toBe(false)
      const links = html.all('a').map(one => one.attribute('href') ?? '')
      expect(links.length).toBeGreaterThan(0)
      expect(links.filter(to => /^(?:\/\/|\/\\|[a-z]+:)/.test(to))).toEqual([])
    }
  })
})
