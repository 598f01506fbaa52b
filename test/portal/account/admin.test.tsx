import { expect, test } from 'bun:test'
import { AdminPage } from '../../../src/portal/account/admin.tsx'
import type { Overview, RouteView } from '../../../src/portal/overview.ts'
import { EN } from '../../../src/portal/words/en.ts'
import { type HtmlPage, htmlPage } from '../../kit/html.ts'

const route = (host: string, path: string, health: 'up' | 'down'): RouteView => ({
  id: host + path,
  host,
  name: `${host} ${path}`,
  access: { kind: 'authenticated' },
  deny: [],
  balance: null,
  refusal: null,
  origins: [{ address: 'http://10.0.0.1', health, inFlight: 0, failures: 0 }],
})

function render(over: Partial<Overview>): HtmlPage {
  const overview: Overview = {
    processes: { all: 1, heard: 1 },
    denials: [],
    routes: [route('a.test', '/', 'up'), route('b.test', '/', 'up'), route('a.test', '/x', 'up')],
    providers: [{ label: 'Pocket ID', issuer: 'https://id.test', state: { kind: 'answers', atMs: 0 } }],
    config: { inForceSinceMs: 0, mistakeCount: 0, mistakes: [], path: '/r.toml', onDisk: 'in force', needsRestart: [] },
    ...over,
  }
  const survey = { sessions: 0, people: 0, active: 0, hasMore: false, latest: [] }
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
        nowMs={0}
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
    },
  })
  const [first, ...others] = page.all('section')
  for (const said of ['Needs attention', 'line 3 is wrong', 'b.test /', 'Pocket ID'])
    expect(first?.text).toContain(said)
  expect(first?.text).not.toContain('a.test /')
  expect(others.map(({ text }) => text).join()).not.toContain('line 3')
  expect(page.has('.fine')).toBe(false)
})

test('the admin page says where nothing is, and groups routes by their hosts', () => {
  const page = render({})
  expect([page.text.includes('Needs attention'), page.texts('.fine')]).toEqual([
    false,
    ['Everything that was asked answers.'],
  ])
  expect(page.texts('h3, h4').slice(0, 4)).toEqual(['a.test', 'a.test /', 'a.test /x', 'b.test /'])
  expect([page.texts('h3').slice(0, 2), page.texts('h4')]).toEqual([
    ['a.test', 'b.test /'],
    ['a.test /', 'a.test /x'],
  ])
  const jumps = page.all('.jumps a').map(one => one.attribute('href') ?? '')
  expect(jumps.length).toBeGreaterThan(2)
  for (const to of jumps) expect(page.all(to)).toHaveLength(1)
})
