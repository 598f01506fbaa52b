/** What is made of an oauth2-proxy.cfg and of Caddy with GitHub, served in front of a stand-in of it. */

import { afterAll, beforeAll, expect, test } from 'bun:test'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { type GithubUser, type OAuth2StandIn, startOAuth2 } from '../../kit/provider/oauth2.ts'
import { serveImported, startSurroundings } from '../../kit/recorded.ts'
import { caddyJson } from '../../migrate/caddy/caddy-json.ts'

const keep = untilTheEnd()
const surroundings = keep(await startSurroundings())
const HOST = 'app.example.test'

const ADA: GithubUser = {
  user: { login: 'ada', id: 1, name: 'Ada' },
  emails: [{ email: 'ada@x.test', primary: true, verified: true }],
}
const UNVERIFIED: GithubUser = { ...ADA, emails: [{ email: 'ada@x.test', primary: true, verified: false }] }

let github: OAuth2StandIn
beforeAll(() => {
  github = startOAuth2('github', ADA)
})
afterAll(() => github[Symbol.asyncDispose]())

/** What each of these people comes to at the application. */
async function statuses(config: string, people: readonly GithubUser[]): Promise<readonly number[]> {
  await using gate = await serveImported(config, surroundings, routes =>
    routes
      .replace('preset = "github"', `preset = "github"\n${github.endpoints}`)
      .replace(/client_secret = .*/, `client_secret = "${github.clientSecret}"`),
  )
  const found: number[] = []
  for (const person of people) {
    github.person = person
    found.push((await browserAt(gate, HOST).open(`http://${HOST}/x`)).response.status)
  }
  return found
}

function cfg(lines: string): string {
  return `provider = "github"
client_id = "${github.clientId}"
client_secret = "of-the-old-file"
redirect_url = "http://${HOST}/oauth2/callback"
upstreams = "http://127.0.0.1:9710"
email_domains = "*"
insecure_oidc_allow_unverified_email = true
${lines}
`
}

test('an organization, its teams and people of GitHub pass as at oauth2-proxy, with a verified address alone', async () => {
  const people = [ADA, { ...ADA, orgs: ['acme'] }, { ...ADA, orgs: ['acme'], teams: ['acme/ops'] }, UNVERIFIED]
  expect(await statuses(cfg('github_org = "acme"'), people)).toEqual([403, 200, 200, 403])
  expect(await statuses(cfg('github_org = "acme"\ngithub_team = "ops"'), people)).toEqual([403, 403, 200, 403])
  expect(await statuses(cfg('github_org = "acme"\ngithub_users = ["ada"]'), people)).toEqual([200, 200, 200, 403])
  expect(await statuses(cfg('github_users = ["bob"]'), people)).toEqual([403, 403, 403, 403])
  expect(await statuses(cfg('github_repo = "acme/site"'), people)).toEqual([403, 403, 403, 403])
})

test('an organization that is called like a role of Caddy has nobody in that role', async () => {
  const old = (transforms: readonly unknown[]) =>
    caddyJson({
      routes: [
        {
          match: [{ host: [HOST], path: ['/auth/*'] }],
          handle: [{ handler: 'authenticator', portal_name: 'home', route_matcher: '*' }],
        },
        {
          match: [{ host: [HOST] }],
          handle: [
            { handler: 'authentication', providers: { authorizer: { gatekeeper_name: 'users', route_matcher: '*' } } },
            { handler: 'reverse_proxy', upstreams: [{ dial: '127.0.0.1:9710' }] },
          ],
        },
      ],
      server: { listen: [':80'] },
      policy: { access_list_rules: [{ conditions: ['match roles admin'], action: 'allow log debug' }] },
      portal: { user_transformer_configs: transforms },
      provider: {
        driver: 'github',
        client_id: github.clientId,
        client_secret: 'of-the-old-file',
        base_auth_url: undefined,
      },
    })
  const people = [ADA, { ...ADA, orgs: ['admin'], teams: ['admin/admin'] }]
  expect(await statuses(old([]), people)).toEqual([403, 403])
  const everyone = [{ matchers: ['exact match realm p'], actions: ['action add role admin'] }]
  expect(await statuses(old(everyone), people)).toEqual([200, 200])
})
