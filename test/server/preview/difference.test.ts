import { describe, expect, test } from 'bun:test'
import { checkConfig } from '../../../src/config/check.ts'
import type { Config } from '../../../src/config/resolve/config.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { type Difference, difference, type Present } from '../../../src/server/preview/difference.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import type { SignedIn } from '../../../src/server/preview/signed-in-people.ts'

const NOW = Date.UTC(2026, 10, 1, 12)
const ISSUER = 'https://id.example.com'

const PORTAL = `
[providers.id]
issuer = "${ISSUER}"
client_id = "gate"
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
roles = { user = { any = true }, admin = { groups = ["admins"] } }
`

function route(host: string, rest = 'allow = ["user"]'): string {
  return `[[routes]]\nhost = "${host}"\nupstream = "http://app:3000"\nportal = "home"\n${rest}\n`
}

function configOf(text: string): Config {
  const result = checkConfig(text, {
    file: '/etc/routes.toml',
    readText: () => 's3cret',
    readBytes: () => new Uint8Array(),
    env: () => undefined,
  })
  if (!result.ok) throw new TypeError(result.diagnostics.map(({ message }) => message).join('\n'))
  return result.config
}

function signedIn(subject: string, groups: readonly string[] = [], more: Partial<SignedIn['session']> = {}): SignedIn {
  const identity = makeIdentity('id', ISSUER, subject, { groups })
  const createdAtMs = NOW - 120_000
  const session = { portal: 'home', identity, createdAtMs, expiresAtMs: NOW + 3_600_000, isRemembered: false, ...more }
  return { session, client: '192.0.2.7', lastSeenMs: NOW - 1000 }
}

function compare(
  before: string,
  after: string,
  entries: readonly SignedIn[] = [],
  more: Partial<Present> = {},
): Difference {
  return difference(configOf(before), configOf(after), { entries, grants: new Map(), nowMs: NOW, ...more })
}

/** What one person gains and loses, as addresses with their methods. */
function turnsOf({ people }: Difference, subject: string): readonly string[] {
  const found = people.find(person => person.subject === subject)
  if (found === undefined) return []
  const text = (sign: string) => (turn: (typeof found.gains)[number]) =>
    `${sign} ${turn.method} ${turn.address} ${turn.before}>${turn.after}`
  return [...found.gains.map(text('+')), ...found.loses.map(text('-')), ...found.again.map(text('~'))]
}

describe('what a new file changes', () => {
  test('the same file changes nothing, for nobody', () => {
    const file = PORTAL + route('app.example.com') + route('*.any.example.com')
    expect(compare(file, file, [signedIn('ada')])).toEqual({
      routes: { added: [], removed: [], changed: [] },
      settings: [],
      restart: [],
      anybody: { gains: [], loses: [], again: [] },
      people: [],
      judged: 1,
    })
  })

  test('whoever is no member any more loses what they could open, and their sessions end', () => {
    const before = PORTAL + route('app.example.com') + route('open.example.com', 'allow = "public"')
    const after = before.replace('roles =', 'members = ["admin"]\nroles =')
    const compared = compare(before, after, [signedIn('ada', ['admins']), signedIn('bob')])
    expect(compared.people.map(({ subject, ended }) => [subject, ended])).toEqual([['bob', 1]])
    expect(turnsOf(compared, 'bob')).toEqual(['- GET app.example.com/ allow>sign-in'])
    expect(compared.settings).toEqual([{ key: 'portals.home', change: 'changed' }])
    // Nobody who has no session gains one by this.
    expect(turnsOf(compare(after, before, [signedIn('bob')]), 'bob')).toEqual(['+ GET app.example.com/ sign-in>allow'])
  })

  test.each([
    'redirect = "/new"',
    'respond = { status = 404 }',
    'upstream = "http://app:3000"\ntools = { allow = ["search"] }',
  ])('what a backend may read as below a path with %s is lost', sent => {
    const rules = 'allow = [{ paths = ["/docs/x"], anonymous = true }, "user"]'
    const around = (answer: string) =>
      `${PORTAL}${route('app.example.com', rules)}[[routes]]\nhost = "app.example.com"\npath = "/Docs"\n${answer}\nallow = "public"\n`
    const [open, shut] = [around('upstream = "http://app:3000"'), around(sent)]
    const turn = { route: 'app.example.com/', method: 'GET', address: 'app.example.com/docs/x' }
    expect(compare(open, shut).anybody.loses).toEqual([{ ...turn, before: 'allow', after: 'refused' }])
    expect(compare(shut, open).anybody.gains).toEqual([{ ...turn, before: 'refused', after: 'allow' }])
  })

  test('routes that come, go and are others, with the keys that are others, and no value of a secret', () => {
    const before = PORTAL + route('a.example.com') + route('b.example.com', 'allow = ["user"]\ntimeout = "5s"')
    const after =
      PORTAL.replace('client_id = "gate"', 'client_id = "gate"\nclient_secret = "topsecret1234"') +
      route('b.example.com', 'allow = ["admin"]\nmethods = ["GET"]') +
      route('c.example.com')
    const { routes, settings } = compare(before, after)
    expect(routes.added.map(line => line.route)).toEqual(['c.example.com/'])
    expect(routes.removed).toEqual([
      { route: 'a.example.com/', portal: 'home', allow: 'user', upstream: ['http://app:3000'] },
    ])
    expect(routes.changed).toEqual([
      {
        route: 'b.example.com/',
        keys: [
          { key: 'allow', before: 'user', after: 'admin' },
          { key: 'methods', before: 'all', after: 'GET' },
          { key: 'timeout', before: null, after: null },
        ],
      },
    ])
    expect(settings).toEqual([{ key: 'providers.id', change: 'changed' }])
    expect(JSON.stringify(compare(before, after))).not.toContain('topsecret')
  })

  test('a person loses what a role no longer gives, and gains what it gives now; others are not named', () => {
    const before = PORTAL + route('app.example.com') + route('ops.example.com', 'allow = ["admin"]')
    const after = before.replace('{ groups = ["admins"] }', '{ groups = ["ops"] }')
    const found = compare(before, after, [signedIn('ada', ['admins']), signedIn('bob', ['ops']), signedIn('cleo')])
    expect(turnsOf(found, 'ada')).toEqual(['- GET ops.example.com/ allow>deny'])
    expect(turnsOf(found, 'bob')).toEqual(['+ GET ops.example.com/ deny>allow'])
    expect(found.people.map(({ subject }) => subject)).toEqual(['ada', 'bob'])
    expect(found.settings).toEqual([{ key: 'portals.home.roles.admin', change: 'changed' }])
    expect(found.judged).toBe(3)
  })

  test.each([
    ['^/items/[0-9]+$', '/items/1'],
    ['^/(?:share|public)/.*\\.css$', '/share/any.css'],
    ['\\.well-known', '/.well-known'],
  ])('a rule by the expression %s is asked at %s', (source, address) => {
    const anonymous = `allow = ["user", { path_regexp = '${source}', anonymous = true }]`
    const { anybody } = compare(PORTAL + route('app.example.com'), PORTAL + route('app.example.com', anonymous))
    expect(anybody.gains.map(gain => gain.address)).toEqual([`app.example.com${address}`])
  })

  test('a route that goes leaves its address to the one around it', () => {
    const inner = route('app.example.com', 'path = "/admin"\nallow = ["admin"]')
    const found = compare(PORTAL + route('app.example.com') + inner, PORTAL + route('app.example.com'), [
      signedIn('ada'),
    ])
    expect(turnsOf(found, 'ada')).toEqual(['+ GET app.example.com/admin deny>allow'])
  })

  test('a route for one name takes it from a wildcard, and the wildcard stays what it was', () => {
    const wide = PORTAL + route('*.example.org')
    const found = compare(wide, wide + route('any.example.org', 'allow = ["admin"]'), [signedIn('ada')])
    expect(turnsOf(found, 'ada')).toEqual(['- GET any.example.org/ allow>deny'])
  })

  test('what opens to whoever is not signed in, and what closes', () => {
    const before = PORTAL + route('a.example.com', 'allow = "public"') + route('b.example.com')
    const after = PORTAL + route('a.example.com') + route('b.example.com', 'allow = "public"')
    const { anybody, people } = compare(before, after, [signedIn('ada')])
    expect(anybody.gains.map(({ address }) => address)).toEqual(['b.example.com/'])
    expect(anybody.loses.map(({ address, after: now }) => [address, now])).toEqual([['a.example.com/', 'sign-in']])
    expect(people).toEqual([])
  })

  test('methods and paths that rules name are asked for by themselves', () => {
    const open = route('app.example.com', 'allow = [{ roles = ["user"] }]')
    const narrow = route(
      'app.example.com',
      'allow = [{ roles = ["user"], methods = ["GET"] }, { roles = ["admin"] }]\ndeny = [{ paths = ["/api/*"] }]',
    )
    const found = compare(PORTAL + open, PORTAL + narrow, [signedIn('ada')])
    expect(turnsOf(found, 'ada')).toEqual(['- GET app.example.com/api/any allow>deny'])
    const posts = route('app.example.com', 'allow = ["user"]\nmethods = ["GET", "POST"]')
    const gets = route('app.example.com', 'allow = ["user"]\nmethods = ["GET"]')
    expect(turnsOf(compare(PORTAL + posts, PORTAL + gets, [signedIn('ada')]), 'ada')).toEqual([
      '- POST app.example.com/ allow>deny',
    ])
  })

  test('where each signed in, and when, counts', () => {
    const before = PORTAL + route('app.example.com') + route('vault.example.com')
    const after =
      PORTAL +
      route('app.example.com', 'allow = [{ roles = ["user"], networks = ["10.0.0.0/8"] }]') +
      route('vault.example.com', 'allow = [{ roles = ["user"], max_age = "1m" }]')
    const found = compare(before, after, [signedIn('ada'), { ...signedIn('bob'), client: '10.1.2.3' }])
    const again = '~ GET vault.example.com/ allow>step-up'
    expect(turnsOf(found, 'ada')).toEqual(['- GET app.example.com/ allow>deny', again])
    expect(turnsOf(found, 'bob')).toEqual([again])
  })

  test('whoever a new file signs out loses all that is behind the portal', () => {
    const file = PORTAL + route('app.example.com')
    const other = file.replaceAll('https://id.example.com', 'https://other.example.com')
    const [ada] = compare(file, other, [signedIn('ada'), signedIn('ada')]).people
    expect(ada).toMatchObject({ sessions: 2, ended: 2, loses: [{ address: 'app.example.com/', after: 'sign-in' }] })
    const short = `[sessions]\nlifetime = "3m"\nidle = "3m"\n${file}`
    const old = signedIn('bob', [], { createdAtMs: NOW - 240_000 })
    expect(compare(file, short, [old, signedIn('cleo', [], { createdAtMs: NOW - 1000 })]).people).toMatchObject([
      { subject: 'bob', ended: 1 },
    ])
  })

  test('what was granted counts as far as the new file offers it', () => {
    const asking = `${PORTAL}[portals.home.requests]\n${route('ops.example.com', 'allow = ["admin"]')}`
    const { identity } = signedIn('ada').session
    const grant = { id: '1', who: identity, name: 'Ada', role: 'admin', atMs: NOW, untilMs: null, by: '' }
    const found = compare(asking, asking.replace('[portals.home.requests]\n', ''), [signedIn('ada')], {
      grants: new Map([['home', [grant]]]),
    })
    expect(turnsOf(found, 'ada')).toEqual(['- GET ops.example.com/ allow>deny'])
  })

  test('what takes a restart is named', () => {
    const file = PORTAL + route('app.example.com')
    const found = compare(file, `[server]\nlisten = "127.0.0.1:9999"\n${file}`)
    expect([found.restart, found.settings]).toEqual([['server.listen'], [{ key: 'server', change: 'changed' }]])
  })

  test('it says of each address what explain says of it', () => {
    const before = PORTAL + route('a.example.com', 'allow = ["admin"]') + route('b.example.com')
    const after = PORTAL + route('a.example.com') + route('b.example.com', 'allow = [{ groups = ["x"] }]')
    const ada = signedIn('ada')
    const { gains = [], loses = [] } = compare(before, after, [ada]).people[0] ?? {}
    const facts = { method: 'GET', client: ada.client, nowMs: NOW, signedInAtMs: ada.session.createdAtMs }
    const told: unknown = [...gains, ...loses].map(turn => {
      const question = { url: new URL(`https://${turn.address}`), identity: ada.session.identity, facts }
      return [explain(configOf(before), question).verdict, explain(configOf(after), question).verdict]
    })
    expect(told).toEqual([...gains, ...loses].map(turn => [turn.before, turn.after]))
    expect(told).toEqual([
      ['deny', 'allow'],
      ['allow', 'deny'],
    ])
  })

  test('many people and many routes come to all that changes for each', () => {
    const many = Array.from({ length: 300 }, (_, index) => route(`app${index}.example.com`)).join('')
    const people = Array.from({ length: 100 }, (_, index) => signedIn(`p${index}`))
    const narrow = (PORTAL + many).replace('user = { any = true }', 'user = { groups = ["x"] }')
    const found = compare(PORTAL + many, narrow, people)
    expect(found.people.map(({ loses }) => loses.length)).toEqual(people.map(() => 300))
  })
})
