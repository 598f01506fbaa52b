/** Groups that a provider keeps to itself (Microsoft Entra ID does for whoever has more than two hundred) are no word about what somebody is in. */
import { expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { providerTable } from '../../kit/toml.ts'

const TOO_MANY = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://graph.example/' } } }

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
const upstream = keep(startAnswering(() => new Response('hi')))
const route = (host: string, allow: string) =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://127.0.0.1:${upstream.port}"\nportal = "home"\nallow = ${allow}\n`
const gate = keep(
  await startGate(`
${providerTable(provider, 'claims_from = "id_token"')}
[portals.home]
providers = ["id"]
insecure_cookies = true
roles.staff = { groups = ["staff"] }
roles.user = { any = true }
${route('role.example', '["staff"]')}${route('rule.example', '[{ groups = ["staff"] }]')}
${route('other.example', '[{ subjects = ["user-9"], providers = ["id"] }]')}${route('all.example', '["user"]')}`),
)

test.each([
  ['role.example', TOO_MANY, 'group.unknown'],
  ['rule.example', TOO_MANY, 'group.unknown'],
  ['other.example', TOO_MANY, 'subject.other'],
  ['role.example', {}, 'role.missing'],
  ['rule.example', { groups: ['guests'] }, 'group.missing'],
] as const)('at %s, who came with %j is refused by %s', async (host, claims, reason) => {
  provider.behave({ signsInAtOnce: true, claims })
  const browser = browserAt(gate, host)
  const path = `/${reason}-${Bun.hash(JSON.stringify(claims))}`
  const page = await browser.open(`http://${host}${path}`)
  const isUntold = reason === 'group.unknown'
  expect(page.text.includes('does not state your groups')).toBe(isUntold)
  expect((await browser.visit(`http://${host}${path}`)).status).toBe(403)
  const refused = () =>
    gate.access.filter(line => [host, path, `"reason":"${reason}"`].every(part => line.includes(part)))
  await eventually(() => refused().length === 2, 'the log names the reason')
})

test('and what does not look at groups is open to them', async () => {
  provider.behave({ signsInAtOnce: true, claims: TOO_MANY })
  expect((await browserAt(gate, 'all.example').open('http://all.example/')).text).toBe('hi')
})
