import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startApp } from '../../kit/applications/app.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'

const HOST = 'home.example'
const route = (lines: string, host = HOST, upstream = 'http://127.0.0.1:9') =>
  `\n[[routes]]\nhost = "${host}"\nupstream = "${upstream}"\nportal = "home"\nallow = ["user"]\n${lines}\n`

/** Asks as whoever the cookie is, for a page unless `accept` says otherwise. */
function ask(gate: Gate, path: string, cookie: string, more: Record<string, string> = {}): Promise<Response> {
  const headers = { host: HOST, accept: 'text/html', cookie, ...more }
  return fetch(`http://127.0.0.1:${gate.port}${path}`, { headers, redirect: 'manual' })
}

/** The portal page's list, top to bottom: headings of groups as `# name`, applications as `name address`. */
async function listed(gate: Gate, claims: Record<string, unknown> = {}): Promise<readonly string[]> {
  const { cookie } = await gate.signIn(HOST, claims)
  const html = await (await ask(gate, '/.sallyport/', cookie)).text()
  const found = html.matchAll(/<section class="group"><h2>([^<]*)|href="http:\/\/([^"]*)"[\s\S]*?<h[23]>([^<]*)/g)
  return [...found].map(([, group, address, name]) => (group === undefined ? `${name} ${address}` : `# ${group}`))
}

async function listOf(toml: string, claims: Record<string, unknown> = {}): Promise<readonly string[]> {
  await using gate = await startGate(PORTAL + toml)
  return (await listed(gate, claims)).map(line => line.replace(`:${gate.port}`, ''))
}

describe('the list of applications', () => {
  test('has what this person may open, and nothing else', async () => {
    const toml = route('name = "Open"') + route('name = "Closed"\ndeny = ["user"]', 'closed.example')
    expect(await listOf(toml)).toEqual(['Open home.example/'])
    const admins = route('name = "Open"') + route('name = "Admin"', 'admin.example').replace('["user"]', '["admin"]')
    expect(await listOf(admins)).toEqual(['Open home.example/'])
    expect(await listOf(admins, { groups: ['admins'] })).toEqual(['Open home.example/', 'Admin admin.example/'])
  })

  test('leaves out what no page load opens, wildcards, and what is hidden', async () => {
    const toml =
      route('name = "Open"') +
      route('methods = ["POST"]', 'post.example') +
      route('', '*.wild.example') +
      route('app = { hidden = true }', 'hidden.example')
    expect(await listOf(toml)).toEqual(['Open home.example/'])
  })

  test('shows several routes of one host once, unless the file tells them apart', async () => {
    expect(await listOf(route('') + route('path = "/api"') + route('path = "/api/v2"'))).toEqual([
      'home.example home.example/',
    ])
    expect(await listOf(route('path = "/one"') + route('path = "/two"'))).toEqual([
      'home.example/one home.example/one',
      'home.example/two home.example/two',
    ])
    expect(await listOf(route('name = "Home"') + route('path = "/wiki"\nname = "Wiki"'))).toEqual([
      'Home home.example/',
      'Wiki home.example/wiki',
    ])
    expect(await listOf(route('name = "Home"') + route('path = "/api"\nname = "Home"'))).toEqual(['Home home.example/'])
  })

  test('shows a table of several paths once, at the first that may be opened, and one without a name at each host', async () => {
    const several = (lines: string, hosts: string) => route(lines).replace(`"${HOST}"`, hosts)
    expect(await listOf(route('path = ["=/up", "/status", "/more"]\nname = "Status"'))).toEqual([
      'Status home.example/up',
    ])
    expect(await listOf(route('path = ["=/up", "/status", "/more"]'))).toEqual([
      'home.example/status home.example/status',
    ])
    expect(await listOf(several('path = ["/one", "/two"]', '["*.home.example", "home.example", "b.example"]'))).toEqual(
      ['home.example/one home.example/one', 'b.example/one b.example/one'],
    )
    expect(await listOf(several('name = "Home"', '["*.home.example", "home.example", "b.example"]'))).toEqual([
      'Home home.example/',
    ])
  })

  test('shows a route below one that this person may not open', async () => {
    const toml = route('').replace('["user"]', '["admin"]') + route('path = "/wiki"')
    expect(await listOf(toml)).toEqual(['home.example/wiki home.example/wiki'])
  })

  test('has groups in the order of the file, and what is in none last', async () => {
    const toml =
      route('name = "Home"') +
      route('name = "Kuma"\napp = { group = "Tools", description = "Is everything up?" }', 'kuma.example') +
      route('name = "Photos"\napp = { group = "Family" }', 'photos.example') +
      route('name = "Wiki"\napp = { group = "Tools" }', 'wiki.example')
    expect(await listOf(toml)).toEqual([
      '# Tools',
      'Kuma kuma.example/',
      'Wiki wiki.example/',
      '# Family',
      'Photos photos.example/',
      '# More',
      'Home home.example/',
    ])
  })
})

describe('the health of an application', () => {
  /** The words below the only application. */
  async function healthIn(gate: Gate, cookie: string): Promise<string | undefined> {
    return htmlPage(await (await ask(gate, '/.sallyport/', cookie)).text()).texts('.health')[0]
  }

  test('is told while the last request found it in trouble, and not otherwise', async () => {
    const app = await startApp('hello')
    await using gate = await startGate(PORTAL + route('', HOST, `http://127.0.0.1:${app.port}`))
    const { cookie } = await gate.signIn(HOST)
    expect(await healthIn(gate, cookie)).toBeUndefined()
    expect((await ask(gate, '/', cookie)).status).toBe(200)
    expect(await healthIn(gate, cookie)).toBeUndefined()
    await app.stop()
    expect((await ask(gate, '/', cookie)).status).toBe(502)
    expect(await healthIn(gate, cookie)).toBe('Not answering')
    await using _ = await startApp('again', { port: app.port })
    expect((await ask(gate, '/', cookie)).status).toBe(200)
    expect(await healthIn(gate, cookie)).toBeUndefined()
  })

  test('is what health checks find, without a request', async () => {
    await using app = await startApp('hello')
    const checked = (port: number) =>
      route('').replace(
        /upstream = .*/,
        `upstream = { to = "http://127.0.0.1:${port}", health = { interval = "1s", unhealthy_after = 1 } }`,
      )
    await using up = await startGate(PORTAL + checked(app.port))
    await using down = await startGate(PORTAL + checked(9))
    const [here, there] = [await up.signIn(HOST), await down.signIn(HOST)]
    await eventually(async () => (await healthIn(down, there.cookie)) === 'Not answering', 'the check misses it')
    expect(await healthIn(up, here.cookie)).toBeUndefined()
  })

  test('is not told of a route that answers by itself', async () => {
    await using gate = await startGate(PORTAL + route('').replace(/upstream = .*/, 'respond = { body = "hello" }'))
    const { cookie } = await gate.signIn(HOST)
    expect(await healthIn(gate, cookie)).toBeUndefined()
  })
})

describe('an icon', () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
  let folder: ReturnType<typeof temporaryFolder>
  let gate: Gate
  let cookie: string
  beforeEach(async () => {
    folder = temporaryFolder()
    writeFileSync(join(folder.path, 'kuma.svg'), SVG)
    gate = await startGate(PORTAL + route(`app = { icon = "${join(folder.path, 'kuma.svg')}" }`))
    cookie = (await gate.signIn(HOST)).cookie
  })
  afterEach(async () => {
    await gate[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })

  async function iconAddress(): Promise<string> {
    const answer = await ask(gate, '/.sallyport/', cookie)
    expect(answer.headers.get('content-security-policy')).toContain("img-src 'self' data:;")
    return /src="(\/\.sallyport\/icons\/[\w-]{43})"/.exec(await answer.text())?.[1] ?? ''
  }

  test('is kept by the browser, checked by its hash, and can run nothing', async () => {
    const address = await iconAddress()
    const answer = await ask(gate, address, cookie)
    expect(await answer.text()).toBe(SVG)
    const { headers } = answer
    expect(headers.get('content-type')).toBe('image/svg+xml')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; style-src 'unsafe-inline'; sandbox")
    expect(headers.get('cache-control')).toBe('private, max-age=31536000, immutable')
    const etag = headers.get('etag') ?? ''
    const again = await ask(gate, address, cookie, { 'if-none-match': etag })
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag])
    const head = await fetch(`http://127.0.0.1:${gate.port}${address}`, {
      method: 'HEAD',
      headers: { host: HOST, cookie },
    })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('is for whoever is signed in, and no other picture is there', async () => {
    const address = await iconAddress()
    expect((await ask(gate, address, '')).status).toBe(401)
    expect((await ask(gate, '/.sallyport/icons/x', cookie)).status).toBe(404)
    expect((await ask(gate, '/.sallyport/icons/', cookie)).status).toBe(404)
  })

  test('of another portal is not there, whoever asks', async () => {
    const other = PORTAL.slice(PORTAL.indexOf('[portals.home]')).replaceAll('portals.home', 'portals.other')
    const elsewhere = route(`app = { icon = "${join(folder.path, 'other.svg')}" }`, 'other.example')
    writeFileSync(join(folder.path, 'other.svg'), SVG.replace('alert(1)', 'alert(2)'))
    const toml = PORTAL + other + route('') + elsewhere.replace('portal = "home"', 'portal = "other"')
    await using two = await startGate(toml)
    const session = await two.signIn(HOST)
    const hash = new Bun.CryptoHasher('sha256').update(SVG.replace('alert(1)', 'alert(2)')).digest('base64url')
    expect((await ask(two, `/.sallyport/icons/${hash}`, session.cookie)).status).toBe(404)
    const there = await two.signIn('other.example')
    expect((await ask(two, `/.sallyport/icons/${hash}`, there.cookie, { host: 'other.example' })).status).toBe(401)
  })

  test('that changes has another address, at once', async () => {
    const before = await iconAddress()
    writeFileSync(join(folder.path, 'new.svg'), SVG.replace('alert(1)', ''))
    renameSync(join(folder.path, 'new.svg'), join(folder.path, 'kuma.svg'))
    await eventually(async () => (await iconAddress()) !== before, 'the icon changes')
    expect((await ask(gate, before, cookie)).status).toBe(404)
    expect((await ask(gate, await iconAddress(), cookie)).status).toBe(200)
  })
})
