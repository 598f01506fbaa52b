import { expect, test } from 'bun:test'
import { AdminPage } from '../../../src/portal/admin/admin.tsx'
import type { Overview, RouteView } from '../../../src/portal/admin/overview.ts'
import { readRoutesAsked } from '../../../src/portal/admin/routes-table.tsx'
import { EN } from '../../../src/portal/words/en.ts'
import { type HtmlPage, htmlPage } from '../../kit/html.ts'

const route = (host: string, path: string, health: 'up' | 'down'): RouteView => ({
  id: host + path,
  host,
  place: host + path,
  name: `${host} ${path}`,
  state: health,
  unknown: null,
  use: null,
  leadsTo: ['http://10.0.0.1'],
  access: { kind: 'authenticated' },
  deny: [],
  balance: null,
  refusal: null,
  origins: [{ address: 'http://10.0.0.1', health, inFlight: 0, failures: 0 }],
})

const NOW_MS = Date.UTC(2026, 10, 29, 14, 2)

function render(over: Partial<Overview>, query = ''): HtmlPage {
  const overview: Overview = {
    processes: { all: 1, heard: 1 },
    denials: [],
    routes: [route('a.test', '/', 'up'), route('b.test', '/', 'up'), route('a.test', '/x', 'up')],
    certificates: [],
    awaited: [],
    providers: [{ label: 'Pocket ID', issuer: 'https://id.test', state: { kind: 'answers', atMs: 0 } }],
    config: {
      inForceSinceMs: 0,
      mistakeCount: 0,
      mistakes: [],
      path: '/r.toml',
      onDisk: 'in force',
      needsRestart: [],
      otherFiles: [],
    },
    ...over,
  }
  const survey = { sessions: 1, people: 1, active: 1, bound: null, looked: 1, latest: [] }
  return htmlPage(
    String(
      <AdminPage
        words={EN}
        title="Home"
        menu={[]}
        hasSeveral={false}
        survey={survey}
        overview={overview}
        requests={null}
        hasPeople={false}
        asked={readRoutesAsked(new URLSearchParams(query))}
        nowMs={NOW_MS}
      />,
    ),
  )
}

test('the admin page begins with what is broken: applications, providers, a save that is refused', () => {
  const page = render({
    routes: [route('a.test', '/', 'up'), route('b.test', '/', 'down')],
    providers: [{ label: 'Pocket ID', issuer: 'https://id.test', state: { kind: 'fails', sinceMs: 0 } }],
    config: {
      inForceSinceMs: 0,
      mistakeCount: 1,
      mistakes: ['line 3 is wrong'],
      path: '/r.toml',
      onDisk: 'refused',
      needsRestart: [],
      otherFiles: [],
    },
  })
  const [first, ...others] = page.all('section')
  for (const said of ['Needs attention', 'line 3 is wrong', 'b.test /', 'Pocket ID'])
    expect(first?.text).toContain(said)
  expect(first?.text).not.toContain('a.test /')
  expect(others.map(({ text }) => text).join()).not.toContain('line 3')
  expect(page.has('.calm')).toBe(false)
})

test('the admin page says where nothing is broken, and counts one of something as one', () => {
  const page = render({})
  expect([page.has('.attention'), page.texts('.calm')]).toEqual([false, ['Everything that was checked answers.']])
  expect(page.texts('.figure > *')).toEqual([
    ...['Applications', '3 of 3', 'All are running'],
    ...['Sessions', '1', '1 person, 1 active in the last 15 minutes'],
    ...['Configuration', 'In use', 'Since Jan 1, 1970, 00:00 UTC'],
  ])
})

test('the admin page warns of certificates that end within two weeks, and of hosts that wait for one', () => {
  const day = 86_400_000
  const page = render({
    certificates: [
      { names: ['late.test'], endsAtMs: NOW_MS - 1 },
      { names: ['soon.test', 'www.soon.test'], endsAtMs: NOW_MS + 13 * day },
      { names: ['good.test'], endsAtMs: NOW_MS + 15 * day },
    ],
    awaited: ['new.test'],
  })
  const [first] = page.all('section')
  for (const said of ['late.test', 'Ended on Nov 29, 2026', 'soon.test', 'No certificate yet for new.test'])
    expect(first?.text).toContain(said)
  expect(first?.text).not.toContain('good.test')
})

const used = (view: RouteView, lastMs: number, tookMs: number): RouteView => ({
  ...view,
  use: { lastMs, tookMs, count: 1 },
})

test('the table of routes is filtered, sorted and paged by its address alone', () => {
  const routes = [
    used(route('a.test', '/10', 'up'), NOW_MS - 60_000, 12),
    used(route('a.test', '/9', 'down'), NOW_MS, 1400),
    route('b.test', '/', 'up'),
  ]
  const namesOf = (query: string) => render({ routes }, query).texts('tbody .c-name a')
  expect(namesOf('')).toEqual(['a.test /9', 'a.test /10', 'b.test /'])
  expect(namesOf('sort=-name')).toEqual(['b.test /', 'a.test /10', 'a.test /9'])
  expect(namesOf('sort=state')).toEqual(['a.test /9', 'a.test /10', 'b.test /'])
  // What was never used has no time: it comes last in either direction.
  expect(namesOf('sort=used')).toEqual(['a.test /10', 'a.test /9', 'b.test /'])
  expect(namesOf('sort=-took')).toEqual(['a.test /9', 'a.test /10', 'b.test /'])
  expect(namesOf('show=attention')).toEqual(['a.test /9'])
  expect(namesOf('show=unused')).toEqual(['b.test /'])
  expect(namesOf('q=B.TEST')).toEqual(['b.test /'])
  expect(namesOf('q=a.test+9')).toEqual(['a.test /9'])
  expect(render({ routes }, 'q=nothing').texts('.found')).toEqual(['No route matches.'])
  expect(namesOf('sort=<x>&show=<y>&page=-1')).toEqual(namesOf(''))
  const cells = render({ routes }, 'q=9').texts('tbody td')
  expect(cells).toEqual(['Not answering', 'Everyone who is signed in', 'just now', '1.4 sec'])
})

test('a thousand routes are read fifty at a time, with what was asked in every address', () => {
  const routes = Array.from({ length: 1000 }, (_, at) => route(`app${at}.test`, '/', 'up'))
  const page = render({ routes }, 'show=up&sort=-name&page=2')
  expect(page.all('tbody tr')).toHaveLength(50)
  expect(page.texts('.pages .soft')).toEqual(['51–100 of 1,000'])
  const ways = page.all('.pages a').map(one => one.attribute('href'))
  expect(ways).toEqual([
    '/.sallyport/admin?show=up&sort=-name#routes',
    '/.sallyport/admin?show=up&sort=-name&page=3#routes',
  ])
  expect(page.texts('[aria-sort]')).toEqual(['Route'])
  expect(render({ routes }, 'page=99').texts('.pages .soft')).toEqual(['951–1,000 of 1,000'])
})

test.each([
  ['role user', 'Needs the role user, which is missing.'],
  ['role user or admin', 'Needs the role user or admin, which is missing.'],
  ['role a, b or c', 'Needs the role a, b, or c, which is missing.'],
  ['role user, network 10.0.0.0/8', 'the user has none of the roles'],
  ['signed in, role user', 'the user has none of the roles'],
  [null, 'the user has none of the roles'],
])('a refusal for want of %p is said in one sentence, and its reference is folded away', (needs, said) => {
  const seen = { count: 1, atMs: NOW_MS, method: 'GET', reason: 'role.missing', groups: null, user: 'Ada' } as const
  const page = render({ denials: [{ ...seen, id: 'sallyport-1', route: 'a.test/', needs, client: '::1' }] })
  expect(page.texts('.item > div > p.small')[0]).toBe(said)
  expect(page.texts('details code')).toContain('sallyport-1')
})
