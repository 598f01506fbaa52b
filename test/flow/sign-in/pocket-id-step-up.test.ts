import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type PocketIdVersion, pocketIdUser } from '../../kit/provider/pocket-id/people.ts'
import { pocketId } from '../../kit/provider/pocket-id/pocket-id.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const VAULT = 'http://vault.example/gold'
const UNLISTED = 'does not list a claim that a rule needs'

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('gold')))

/** A gate whose one route has this rule, at a Pocket ID with a person of a passkey and one of a code. */
async function stand(version: PocketIdVersion, rule: string) {
  const stack = new AsyncDisposableStack()
  let offsetMs = 0
  const users = [pocketIdUser('ada'), pocketIdUser('otto', { method: 'otp' })]
  const nowS = () => Math.floor((Date.now() + offsetMs) / 1000)
  const provider = stack.use(await pocketId({ version, users, nowS }))
  provider.allowRedirect('http://vault.example/.sallyport/callback')
  const route = routeTo(upstream, 'vault.example', `portal = "home"\nallow = [{ roles = "user", ${rule} }]`)
  const toml = `${providerTable(provider)}${portalTable(EVERYONE)}${route}`
  const gate = stack.use(await startGate(toml, { ports: { now: () => Date.now() + offsetMs } }))
  return {
    provider,
    gate,
    browser: browserAt(gate, 'vault.example'),
    pass(ms: number) {
      offsetMs += ms
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

describe.each<PocketIdVersion>(['2.9', '2.14'])('a rule about the sign-in at Pocket ID %s', version => {
  test('amr = ["phr"] asks for a passkey, again of whoever came without one', async () => {
    await using at = await stand(version, 'amr = ["phr"]')
    expect((await at.browser.signIn(VAULT, 'ada')).text).toBe('gold')
    const other = browserAt(at.gate, 'vault.example')
    const again = await other.signIn(VAULT, 'otto')
    expect(again.html.has('[name="login"]')).toBe(true)
    const refused = await other.submit(again, { login: 'otto' })
    expect([refused.response.status, refused.text]).toEqual([403, expect.stringContaining('another method')])
    expect(at.gate.told(UNLISTED)).toEqual([])
  })

  test('max_age holds once somebody has signed in anew, where auth_time is stated, and else is said to be what is missing', async () => {
    await using at = await stand(version, 'max_age = "10m"')
    expect((await at.browser.signIn(VAULT, 'ada')).text).toBe('gold')
    at.pass(11 * 60_000)
    const page = await at.browser.submit(await at.browser.open(VAULT), { login: 'ada' })
    if (version === '2.14') {
      expect(page.text).toBe('gold')
      expect(at.gate.told(UNLISTED)).toEqual([])
      return
    }
    expect(page.response.status).toBe(403)
    expect(page.html.text).toContain('has no auth_time. amr = ["phr"] in the rule would do.')
    expect(at.gate.told('A sign-in step failed', 'would do')).toHaveLength(1)
    await eventually(() => at.gate.told(UNLISTED, '"claim":"auth_time"').length === 1, 'the start has told it')
  })

  test('acr is said to be what is missing, with what would do', async () => {
    await using at = await stand(version, 'acr = ["phr"]')
    const again = await at.browser.signIn(VAULT, 'ada')
    const page = await at.browser.submit(again, { login: 'ada' })
    expect(page.response.status).toBe(403)
    expect(page.html.text).toContain('has no acr. amr = ["phr"] in the rule would do.')
    await eventually(() => at.gate.told(UNLISTED, '"claim":"acr"').length === 1, 'the start has told it')
    const other = browserAt(at.gate, 'vault.example')
    const refused = await other.submit(await other.signIn(VAULT, 'otto'), { login: 'otto' })
    expect(refused.html.text).toContain('has no acr.')
    expect(refused.text).not.toContain('would do')
  })

  test('the file that the README begins with lets in whom it says', async () => {
    const [, example = ''] =
      /```toml\n([\s\S]*?)```/.exec(readFileSync(`${import.meta.dir}/../../../README.md`, 'utf8')) ?? []
    const users = [pocketIdUser('ada', { groups: ['admins'] }), pocketIdUser('bob')]
    await using provider = await pocketId({ version, users })
    provider.allowRedirect('http://auth.example.com/.sallyport/callback')
    const moved = example
      .replace('https://id.example.com', provider.issuer)
      .replace('client_id = "sallyport"', `client_id = "${provider.clientId}"`)
      .replace('https://auth.example.com"', 'http://auth.example.com"\ninsecure_cookies = true')
      .replace(/upstream = ".*"/, `upstream = "http://127.0.0.1:${upstream.port}"`)
    await using gate = await startGate(moved, { env: { POCKET_ID_SECRET: provider.clientSecret } })
    const browser = () => browserAt(gate, 'auth.example.com', 'grafana.example.com')
    expect((await browser().signIn('http://grafana.example.com/d/1', 'ada')).text).toBe('gold')
    expect((await browser().signIn('http://grafana.example.com/d/1', 'bob')).response.status).toBe(403)
  })
})
