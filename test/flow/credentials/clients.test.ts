import { expect } from 'bun:test'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApp } from '../../kit/applications/app.ts'
import { gitEnvironment, startGitServer } from '../../kit/applications/git-server.ts'
import { createToken } from '../../kit/commands.ts'
import { basic, bearer, PAGE_LINES } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { routeForUsers } from '../../kit/toml.ts'
import { askersOf, forwarded, type Lines, original, startAsked } from '../../kit/verify.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const { beforeAll, describe, test } = needs('git')

/** What a WebDAV client asks first: here is a folder, with a file in it. */
const FOLDER = `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">${['/dav/', '/dav/notes.txt']
  .map(
    (href, index) =>
      `<D:response><D:href>${href}</D:href><D:propstat><D:prop><D:resourcetype>${index === 0 ? '<D:collection/>' : ''}</D:resourcetype><D:getcontentlength>3</D:getcontentlength></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`,
  )
  .join('')}</D:multistatus>`

const keep = untilTheEnd()

const folder = keep(temporaryFolder()).path
const app = keep(
  await startApp((request, response) => {
    const isListing = request.method === 'PROPFIND'
    response.writeHead(isListing ? 207 : 200, {
      dav: '1,2',
      'content-type': isListing ? 'application/xml' : 'text/plain',
    })
    response.end(isListing ? FOLDER : 'here')
  }),
)
const repositories = keep(startGitServer(join(folder, 'repositories')))
const gate = keep(
  await startGate(
    PORTAL +
      routeForUsers(app, 'localhost', 'tokens = true') +
      routeForUsers(repositories, 'localhost', 'path = "/team"\nstrip_prefix = "/team"\ntokens = true') +
      routeForUsers(app, 'people.test'),
  ),
)
const asked = keep(await startAsked())
let token = ''
beforeAll(async () => {
  token = (await createToken(gate)).token
})

const BOTH = 'Basic realm="sallyport", charset="UTF-8", Bearer realm="sallyport"'
const CURL = ['User-Agent: curl/8.14.1', 'Accept: */*']
const FIREFOX = 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'

/** As Thunderbird 153 sends it. */
const THUNDERBIRD = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0',
  'Accept: text/xml',
  'Origin: http://localhost',
  'Sec-Fetch-Dest: empty',
  'Sec-Fetch-Mode: no-cors',
  'Sec-Fetch-Site: same-origin',
  'Depth: 0',
]

async function challenge(lines: readonly string[], host = 'localhost', method = 'GET') {
  const head = [`${method} / HTTP/1.1`, `Host: ${host}`, ...lines, 'Connection: close', '', '']
  const answer = await sendRaw(gate.port, [head.join('\r\n')])
  return { status: answer.status, field: answer.field('www-authenticate') }
}

describe('RFC 7617: whoever is no browser is asked for a name and a password too, where a route takes tokens', () => {
  test.each([
    ['curl', 'GET', CURL],
    ['git', 'GET', ['User-Agent: git/2.47.3', 'Accept: */*', 'Accept-Language: de, en;q=0.9']],
    ['cadaver', 'PROPFIND', ['User-Agent: cadaver/0.26 neon/0.34.2', 'Depth: 0']],
    ['rclone', 'PROPFIND', ['User-Agent: rclone/v1.60.1', 'Depth: 1']],
    ['a calendar', 'REPORT', ['User-Agent: DAVx5/4.4 (2025; dav4jvm; okhttp/4) Android/15', 'Accept: application/xml']],
    ['Thunderbird, which is built on a browser and no page', 'PROPFIND', THUNDERBIRD],
    ['macOS', 'PROPFIND', ['User-Agent: macOS/15.0 (24A335) dataaccessd/1.0']],
    ['a program that does not say its name', 'GET', []],
  ])('%s', async (_title, method, lines) => {
    expect(await challenge(lines, 'localhost', method)).toEqual({ status: 401, field: BOTH })
  })

  test('and where it takes none, nobody is', async () => {
    expect(await challenge(CURL, 'people.test')).toEqual({ status: 401, field: null })
  })
})

describe('a browser, whose own prompt nobody could sign out of, is never asked for a password', () => {
  test.each([
    ['a script', ['Sec-Fetch-Mode: cors', 'Sec-Fetch-Dest: empty', 'Sec-Fetch-Site: same-origin']],
    ['an image', ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Dest: image', 'Sec-Fetch-Site: cross-site']],
    ['one of these fields alone', ['Sec-Fetch-Site: none']],
    ['a script over plain HTTP, where there are no such fields', [FIREFOX, 'Accept: */*']],
    ['a style sheet there', [FIREFOX, 'Accept: text/css,*/*;q=0.1']],
    ['a script of another origin', ['Origin: http://web.test', 'Accept: */*']],
    ['a script that says so', ['X-Requested-With: XMLHttpRequest']],
    ['the film of a page, which Safari leaves to its system', ['User-Agent: AppleCoreMedia/1.0.0.22A3354 (iPhone)']],
    ['the picture of a bookmark', ['User-Agent: Safari/20619.1.26 CFNetwork/1568.100.1 Darwin/24.0.0']],
  ])('%s', async (_title, lines) => {
    expect(await challenge(lines)).toEqual({ status: 401, field: 'Bearer realm="sallyport"' })
  })

  test("a service worker's script, which our stand-in answers", async () => {
    expect(await challenge(['Service-Worker: script'])).toEqual({ status: 200, field: null })
  })

  test.each([
    ['PROPFIND', 'cors'],
    ['PROPFIND', 'same-origin'],
    ['POST', 'no-cors'],
    ['HEAD', 'no-cors'],
  ])('a script that sends %s in the mode %s', async (method, mode) => {
    const lines = [`Sec-Fetch-Mode: ${mode}`, 'Sec-Fetch-Dest: empty']
    expect(await challenge(lines, 'localhost', method)).toEqual({ status: 401, field: 'Bearer realm="sallyport"' })
  })

  test.each([
    ['a page', PAGE_LINES],
    ['a page over plain HTTP', [FIREFOX, 'Accept: text/html,application/xhtml+xml']],
  ])('%s', async (_title, lines) => {
    expect(await challenge(lines)).toEqual({ status: 302, field: null })
  })
})

test('whoever comes with a bad token is asked again as they came', async () => {
  const field = async (own: { readonly authorization: string }, more = CURL) =>
    (await challenge([`Authorization: ${own.authorization}`, ...more])).field
  const bad = `sp_${'A'.repeat(43)}`
  expect(await field(basic(`me:${bad}`))).toBe(
    'Basic realm="sallyport", charset="UTF-8", Bearer realm="sallyport", error="invalid_token"',
  )
  expect(await field(bearer(bad))).toBe('Bearer realm="sallyport", error="invalid_token"')
  expect(await field(basic(`me:${bad}`), [FIREFOX])).toBe('Bearer realm="sallyport", error="invalid_token"')
  expect(await field(basic('me:password'))).toBe(BOTH)
})

describe('a proxy in front passes the question on', () => {
  const ways = askersOf(() => asked)
  test.each([
    ['Caddy', (lines: Lines) => ways.relayed(forwarded('/machines', lines))],
    ['Traefik', (lines: Lines) => ways.toTraefik(forwarded('/machines', lines))],
    ['Envoy', (lines: Lines) => ways.toEnvoy(forwarded('/machines', lines))],
    ['nginx', (lines: Lines) => ways.toNginx(original('/machines', lines))],
  ])('%s', async (_title, ask) => {
    const field = async (lines: Lines) => (await ask(lines)).field('www-authenticate')
    expect(await field(CURL)).toBe(BOTH)
    expect(await field([FIREFOX])).toBe('Bearer realm="sallyport"')
    // What is not passed on cannot be looked at.
    expect(await field([])).toBe('Bearer realm="sallyport"')
  })
})

/** Runs a program to its end, in the folder. */
async function run(...command: string[]): Promise<{ code: number; out: string }> {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: gitEnvironment(folder),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [code, ...texts] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code, out: texts.join('') }
}

describe('with a token as the password, as people type it', () => {
  needs('curl').test('curl --anyauth gets in', async () => {
    const address = `http://localhost:${gate.port}/x`
    expect(await run('curl', '-sS', '--fail', '--anyauth', '-u', `me:${token}`, address)).toEqual({
      code: 0,
      out: 'here',
    })
    expect((await run('curl', '-sS', '--fail', '--anyauth', '-u', 'me:wrong', address)).code).toBe(22)
  })

  test('git clones, and pushes', async () => {
    const address = `http://me:${token}@localhost:${gate.port}/team/plans.git`
    expect((await run('git', 'init', '-q', '--bare', '-b', 'main', 'repositories/plans.git')).code).toBe(0)
    expect(await run('git', 'clone', '-q', address, 'first')).toMatchObject({ code: 0 })
    writeFileSync(join(folder, 'first/plan.txt'), 'up\n'.repeat(100_000))
    await run('git', '-C', 'first', 'checkout', '-q', '-b', 'main')
    expect((await run('git', '-C', 'first', 'add', '.')).code).toBe(0)
    expect((await run('git', '-C', 'first', 'commit', '-q', '-m', 'plan')).code).toBe(0)
    expect(await run('git', '-C', 'first', 'push', '-q', 'origin', 'main')).toMatchObject({ code: 0 })
    expect((await run('git', 'clone', '-q', address, 'second')).code).toBe(0)
    expect(readFileSync(join(folder, 'second/plan.txt'), 'utf8')).toStartWith('up\n')
    expect((await run('git', 'clone', '-q', address.replace(token, 'wrong'), 'third')).code).toBe(128)
  })

  needs('cadaver').test('cadaver lists a folder', async () => {
    const netrc = join(folder, '.netrc')
    writeFileSync(netrc, `machine localhost\nlogin me\npassword ${token}\n`)
    chmodSync(netrc, 0o600)
    writeFileSync(join(folder, 'commands'), 'ls\nquit\n')
    const { out } = await run('sh', '-c', `cadaver http://localhost:${gate.port}/dav/ < commands`)
    expect(out).toContain('notes.txt')
  })
})
