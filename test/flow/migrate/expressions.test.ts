import { expect } from 'bun:test'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type Front, startCaddy } from '../../kit/programs/front.ts'
import { imported } from '../../migrate/imported.ts'

const { afterAll, beforeAll, test } = needs('caddy')

/** What a site refuses. `isExact`: the rule is the same one; else it may refuse more. */
const REFUSED: readonly (readonly [matcher: string, isExact: boolean])[] = [
  ['path_regexp ^/a/?$', true],
  ['path_regexp ^/v[12]/', true],
  ['path_regexp ^/(api|rpc)/v\\d$', true],
  ['path_regexp \\.(php[57]?|phtml)$', true],
  ['path_regexp ^\\/a\\/b{2}', true],
  ['path_regexp ^/(x/)?a\\.js$', true],
  ['path_regexp name (?:^|/)\\.git(/|$)', true],
  ['path_regexp ^/(?P<lang>de|en)/.*?\\.html$', true],
  ['path_regexp (?i)^/ADMIN', true],
  ['path_regexp ^/users/[0-9]+/edit$', false],
  ['path_regexp ^/[^/]+/b$', false],
  ['path_regexp ^/\\w+\\.js$', false],
  ['path_regexp ^/a.+b', false],
  ['path_regexp \\b(a|b)\\b', false],
  ['path /x/*/a.js', false],
  ['path /v?/a', false],
]

const PATHS = [
  ...['/', '/a', '/a/', '/a/b', '/a/bb', '/a/bbc', '/ab', '/b', '/v1', '/v1/', '/v1/a', '/v2/x', '/v3/', '/api/v1'],
  ...['/api/v0', '/api/v12', '/rpc/v9', '/rpc/v', '/x.php', '/x.php5', '/x.php6', '/y/x.phtml', '/x.phtml/', '/x/a.js'],
  ...[
    '/a.js',
    '/y/a.js',
    '/xa.js',
    '/.git',
    '/.git/config',
    '/x/.git/config',
    '/.github',
    '/de/x.html',
    '/de/x/y.html',
  ],
  ...['/fr/x.html', '/en/.html', '/en/x.htm', '/admin', '/adminx', '/x/admin', '/users/1/edit', '/users/12/edit'],
  ...['/users//edit', '/users/x/edit', '/users/1/edit/', '/x/y/a.js', '/c/b', '/c/d/b', '/acb', '/a-b', '/a%20b'],
]

const hostOf = (index: number) => `h${index}.example.test`

let caddy: Front
let gate: Gate
const folder = temporaryFolder()

beforeAll(async () => {
  const port = await freePort()
  const sites = REFUSED.map(
    ([matcher], index) =>
      `http://${hostOf(index)}:${port} {\n @no ${matcher}\n respond @no "no" 403\n respond "yes"\n}\n`,
  )
  caddy = await startCaddy(folder.path, port, sites.join(''))
  const { routes, mistakes } = await imported(sites.join(''), ['--caddy', Bun.which('caddy') ?? 'caddy'])
  if (mistakes.length > 0) throw new Error(JSON.stringify(mistakes))
  gate = await startGate(routes.slice(routes.indexOf('[[routes]]')))
})
afterAll(async () => {
  await gate?.[Symbol.asyncDispose]()
  await caddy?.[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function bodyAt(port: number, host: string, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', headers: { host } })
  const body = await response.text()
  return response.status === 200 ? body : 'no'
}

test.each(REFUSED.map((one, index) => [...one, index] as const))('%s', async (_, isExact, index) => {
  const host = hostOf(index)
  const answers = await Promise.all(
    PATHS.map(async path => ({
      path,
      was: await bodyAt(caddy.port, host, path),
      is: await bodyAt(gate.port, host, path),
    })),
  )
  expect(answers.filter(({ was, is }) => was !== 'yes' && is === 'yes')).toEqual([])
  // Of doubled slashes a rule says neither.
  const lost = answers.filter(({ path, was, is }) => was === 'yes' && is !== 'yes' && !path.includes('//'))
  if (isExact) expect(lost).toEqual([])
  const counts = [answers.filter(({ was }) => was === 'yes'), answers.filter(({ is }) => is === 'yes')]
  expect(counts.map(list => list.length > 10)).toEqual([true, true])
})
