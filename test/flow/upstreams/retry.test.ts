import { describe, expect, test } from 'bun:test'
import { startApp } from '../../kit/applications/app.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { routeTo } from '../../kit/toml.ts'

const PAGE = { host: 'app.example', accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }

/** A gate whose only application is gone, with a clock of its own. */
async function gateToNothing(clock: { now: number }): Promise<Gate> {
  const app = await startApp('')
  await app.stop()
  const route = routeTo(app, 'app.example', 'allow = "public"')
  return startGate(route, { ports: { now: () => clock.now } })
}

async function load(gate: Gate, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${gate.port}${path}`, { headers: PAGE, ...init })
  const html = await response.text()
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    again: /data-again="([^"]*)"/.exec(html)?.[1] ?? null,
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
      expect(html).toContain('<a class="act main" href="/deep?x=1&amp;y=2">Try again</a>')
      waits.push(retryAfter)
      clock.now += 31_000
    }
    expect(waits).toEqual(['5', '10', '20', '30', '30'])
  })

  test('never sends a form again, and says so', async () => {
    await using gate = await gateToNothing({ now: 1_800_000_000_000 })
    const { status, retryAfter, again, html } = await load(gate, '/save', { method: 'POST', body: 'a=1' })
    expect([status, retryAfter, again]).toEqual([502, '5', null])
    expect(html).toContain('It is not sent again by itself')
    expect(html).not.toContain('Try again</a>')
  })

  test('leads nowhere else, whatever the address is', async () => {
    await using gate = await gateToNothing({ now: 1_800_000_000_000 })
    for (const path of ['//evil.example/x', '/%5c/evil.example', '/"><b>']) {
      const { again, html } = await load(gate, path)
      expect(again).toMatch(/^\d+$/)
      expect(html).not.toContain('http-equiv')
      expect(html).not.toContain('data-to')
      expect(html).not.toMatch(/href="(?:\/\/|\/\\|[a-z]+:\/\/)/)
      expect(html).not.toContain('<b>')
    }
  })
})
