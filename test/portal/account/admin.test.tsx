import { expect, test } from 'bun:test'
import { AdminPage } from '../../../src/portal/account/admin.tsx'
import type { Overview, RouteView } from '../../../src/portal/overview.ts'
import { EN } from '../../../src/portal/words/en.ts'

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

function render(over: Partial<Overview>): string {
  const overview: Overview = {
    processes: { all: 1, heard: 1 },
    denials: [],
    routes: [route('a.test', '/', 'up'), route('b.test', '/', 'up'), route('a.test', '/x', 'up')],
    providers: [{ label: 'Pocket ID', issuer: 'https://id.test', state: { kind: 'answers', atMs: 0 } }],
    config: { inForceSinceMs: 0, mistakeCount: 0, mistakes: [], path: '/r.toml', onDisk: 'in force', needsRestart: [] },
    ...over,
  }
  const survey = { sessions: 0, people: 0, active: 0, hasMore: false, latest: [] }
  return String(
    <AdminPage
      words={EN}
      title="Home"
      menu={[]}
      hasSeveral={false}
      survey={survey}
      overview={overview}
      requests={null}
      nowMs={0}
    />,
  )
}

test('the admin page begins with what is broken: applications, providers, a save that is refused', () => {
  const html = render({
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
  const first = html.slice(html.indexOf('Needs attention'), html.indexOf('<dl class="tiles"'))
  for (const said of ['line 3 is wrong', 'b.test /', 'Pocket ID']) expect(first).toContain(said)
  expect(first).not.toContain('a.test /')
  expect(html).not.toContain('Everything that was asked answers.')
})

test('the admin page says where nothing is, and groups routes by their hosts', () => {
  const html = render({})
  expect(html).not.toContain('Needs attention')
  expect(html).toContain('Everything that was asked answers.')
  expect([...html.matchAll(/<h([34])>([^<]+)/g)].map(([, level, text]) => `${level} ${text}`).slice(0, 4)).toEqual([
    '3 a.test',
    '4 a.test /',
    '4 a.test /x',
    '3 b.test /',
  ])
  for (const [, id] of html.matchAll(/href="#([^"]+)"/g)) expect(html).toContain(`id="${id}"`)
})
