import { expect, setDefaultTimeout } from 'bun:test'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { openChromium, type WatchedContext, watchedContext } from '../kit/browser/chromium.ts'
import { openStand } from '../kit/browser/stand.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { plant } from '../kit/log/planted.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { type Ended, runToEnd } from '../kit/programs/ended.ts'
import {
  serviceRoutes,
  startAria2,
  startCgit,
  startGitHttp,
  startMosquitto,
  startRadicale,
  startSyncthing,
  startTransmission,
  startWebdav,
} from '../kit/programs/services.ts'

/** The applications, and what serves them. */
const PROGRAMS = [
  'apache2',
  'aria2c',
  'cgit',
  'fcgiwrap',
  'git',
  'mosquitto',
  'nginx',
  'radicale',
  'syncthing',
  'transmission-daemon',
] as const

const { afterAll, test } = needs('chromium', 'curl', ...PROGRAMS)

/** Recipes of docs in front of the applications themselves, with the settings that they name: in a browser, and by the clients people use. */
setDefaultTimeout(300_000)

const keep = untilTheEnd()
const folder = keep(temporaryFolder())
const place = (name: string) => {
  const path = join(folder.path, name)
  mkdirSync(path)
  return path
}
const services = {
  syncthing: keep(await startSyncthing(place('syncthing'))),
  transmission: keep(await startTransmission(place('transmission'))),
  radicale: keep(await startRadicale(place('radicale'))),
  'git-http': keep(await startGitHttp(place('git-http'), ['project.git', 'public/open.git'])),
  cgit: keep(await startCgit(place('cgit'), ['project.git', 'public/open.git'])),
  webdav: keep(await startWebdav(place('webdav'))),
  aria2: keep(await startAria2(place('aria2'), 'aria2s own secret')),
  mosquitto: keep(await startMosquitto(place('mosquitto'))),
}
type Name = keyof typeof services

const routes = Object.entries(services).map(([name, service]) => serviceRoutes(name, `${name}.localhost`, service))
/** The pages beside which a recipe stands: files of somebody's own. */
const pages = ['aria2', 'mosquitto'].map(
  name =>
    `[[routes]]\nhost = "${name}.localhost"\nfiles = "${place(`page of ${name}`)}"\nportal = "home"\nallow = ["user"]\n`,
)
for (const name of ['aria2', 'mosquitto']) writeFileSync(join(folder.path, `page of ${name}`, 'index.html'), 'a page')
const stand = keep(await openStand(`personal_tokens = true\n${[...routes, ...pages].join('\n')}`))
const browser = keep(await openChromium())
const address = (name: Name, path = '/') => `${stand.app.replace('app.', `${name}.`)}${path}`

const person: WatchedContext = await watchedContext(browser)
afterAll(() => person.context.close())
let isSignedIn = false

/** An application's page as Grace sees it; the first one leads by the sign-in. */
async function open(name: Name, path = '/'): Promise<Page> {
  const page = await person.open(address(name, path))
  if (!isSignedIn) await stand.become(page, 'Grace')
  isSignedIn = true
  return page
}

let madeToken: Promise<string> | null = null

/** A token that Grace made on the portal's page. */
function token(): Promise<string> {
  madeToken ??= (async () => {
    await open('webdav')
    const page = await person.open(`${stand.portal}/.sallyport/tokens`)
    await page.locator('input[name=name]').fill('clients')
    await page.locator('form.fields button[type=submit]').click()
    await page.getByText(/^sp_/).first().waitFor()
    const made = /sp_[A-Za-z0-9_-]{43}/.exec(await page.content())?.[0]
    if (made === undefined) throw new Error('the page shows no token')
    plant(made, 'a token')
    return made
  })()
  return madeToken
}

/** A command as its user runs it, with nothing of theirs but these. */
function client(...command: readonly string[]): Promise<Ended> {
  return runToEnd(command, {
    cwd: folder.path,
    env: {
      PATH: process.env.PATH,
      HOME: folder.path,
      GIT_TERMINAL_PROMPT: '0',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'Grace',
      GIT_AUTHOR_EMAIL: 'grace@example.com',
      GIT_COMMITTER_NAME: 'Grace',
      GIT_COMMITTER_EMAIL: 'grace@example.com',
    },
  })
}

/** curl with a token as the password of anybody. Answers the status, and the body in front of it. */
async function curl(...args: readonly string[]): Promise<{ readonly status: number; readonly body: string }> {
  const { stdout, stderr, code } = await client('curl', '-sS', '-w', '\n%{http_code}', ...args)
  if (code !== 0) throw new Error(stderr)
  const end = stdout.lastIndexOf('\n')
  return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) }
}

test('nobody gets to any of them unasked', async () => {
  for (const name of Object.keys(services) as Name[]) {
    for (const path of [
      '/',
      '/transmission/rpc',
      '/rest/system/config',
      '/project.git/info/refs',
      '/jsonrpc',
      '/mqtt',
    ]) {
      expect([name, path, (await curl(address(name, path))).status]).toEqual([name, path, 401])
    }
  }
})

test('syncthing: its interface loads, and asks its own API by the Host that it wants', async () => {
  const page = await open('syncthing')
  // Before that it does not know whose ID it is to show, and older ones complain.
  await page
    .locator('#device-this')
    .getByText(/^[A-Z2-7]{6,7}$/)
    .waitFor()
  await page.getByRole('link', { name: 'Actions' }).first().click()
  await page.getByRole('link', { name: 'Show ID' }).first().click()
  expect(await page.locator('#idqr .text-monospace, #idqr pre, #idqr .well').first().textContent()).toMatch(
    /[A-Z2-7]{7}-[A-Z2-7]{7}/,
  )
})

needs(...PROGRAMS).describe('transmission', () => {
  test('its interface loads and shows what it has', async () => {
    const page = await open('transmission')
    await page.waitForURL('**/transmission/web/**')
    await page.locator('#torrent-list, #torrent_list').waitFor({ state: 'attached' })
    await page.getByText('0 Transfers').waitFor()
  })

  test('its remote client comes with a token as the password', async () => {
    const remote = address('transmission', '/transmission/rpc')
    const known = await client('transmission-remote', remote, '-n', `me:${await token()}`, '-si')
    expect([known.stderr, known.stdout]).toEqual(['', expect.stringContaining('Daemon version')])
    const unknown = await client('transmission-remote', remote, '-n', 'me:sp_wrong', '-si')
    expect(unknown.stdout).not.toContain('Daemon version')
  })
})

test('radicale: calendars are whose token it is, in a folder called as their address', async () => {
  const user = ['-u', `me:${await token()}`]
  const home = '/grace%40example.com/'
  const who = '<propfind xmlns="DAV:"><prop><current-user-principal/></prop></propfind>'
  const found = await curl(...user, '-X', 'PROPFIND', '-d', who, address('radicale'))
  expect([found.status, found.body]).toEqual([207, expect.stringContaining('<href>/grace%40example.com/</href>')])
  const made = await curl(...user, '-X', 'MKCALENDAR', address('radicale', `${home}work/`))
  expect(made.status).toBe(201)
  const event =
    'BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260504T120000Z\r\nDTSTART:20260504T120000Z\r\nSUMMARY:Tea\r\nEND:VEVENT'
  const calendar = `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t\r\n${event}\r\nEND:VCALENDAR\r\n`
  const kept = ['-H', 'Content-Type: text/calendar', '--data-binary', calendar]
  expect((await curl(...user, '-X', 'PUT', ...kept, address('radicale', `${home}work/1.ics`))).status).toBe(201)
  expect((await curl(...user, address('radicale', `${home}work/1.ics`))).body).toContain('SUMMARY:Tea')
  const elsewhere = await curl(...user, '-X', 'MKCALENDAR', address('radicale', '/ada@example.com/work/'))
  expect(elsewhere.status).toBe(403)
  const page = await open('radicale', '/.web/')
  expect(await page.title()).toContain('Radicale')
})

test('git: clones and pushes with a token, and the push is somebody’s', async () => {
  const field = `http.extraHeader=X-Sallyport-Token: ${await token()}`
  const work = join(folder.path, 'work')
  const cloned = await client('git', '-c', field, 'clone', '-q', address('git-http', '/project.git'), work)
  expect(cloned.code).toBe(0)
  writeFileSync(join(work, 'large'), Buffer.alloc(3 << 20, 'x'))
  writeFileSync(join(work, 'noise'), crypto.getRandomValues(new Uint8Array(65_536)))
  await client('git', '-C', work, 'add', '-A')
  await client('git', '-C', work, 'commit', '-q', '-m', 'first')
  const pushed = await client(
    'git',
    '-C',
    work,
    '-c',
    field,
    '-c',
    'http.postBuffer=1024',
    'push',
    '-q',
    'origin',
    'HEAD',
  )
  expect([pushed.code, pushed.stderr]).toEqual([0, ''])
  const named = address('git-http', '/project.git').replace('://', `://me:${await token()}@`)
  const again = await client('git', 'clone', '-q', named, `${work}-again`)
  expect([again.code, readFileSync(`${work}-again/large`).length]).toEqual([0, 3 << 20])
  const unknown = await client('git', 'clone', '-q', address('git-http', '/project.git'), `${work}-no`)
  expect([unknown.code === 0, existsSync(`${work}-no`)]).toEqual([false, false])
})

test('cgit: a browser reads a file, and git clones with a token', async () => {
  const page = await open('cgit')
  await page.getByRole('link', { name: 'project.git' }).click()
  await page.getByRole('link', { name: 'tree', exact: true }).click()
  await page.getByRole('link', { name: 'README', exact: true }).click()
  await page.locator('.blob').getByText('hello').waitFor()
  const copy = join(folder.path, 'read')
  const named = address('cgit', '/public/open.git').replace('://', `://me:${await token()}@`)
  const cloned = await client('git', 'clone', '-q', named, copy)
  expect([cloned.code, readFileSync(join(copy, 'README'), 'utf8')]).toEqual([0, 'hello'])
  const unknown = await client('git', 'clone', '-q', address('cgit', '/public/open.git'), `${copy}-no`)
  expect([unknown.code === 0, existsSync(`${copy}-no`)]).toEqual([false, false])
})

test('webdav: files are put, moved and listed, and a browser sees them', async () => {
  const user = ['-u', `me:${await token()}`]
  writeFileSync(join(folder.path, 'note'), 'hello')
  const put = await curl(...user, '-T', join(folder.path, 'note'), address('webdav', '/a.txt'))
  expect(put.status).toBe(201)
  const moved = await curl(
    ...user,
    '-X',
    'MOVE',
    '-H',
    `Destination: ${address('webdav', '/b.txt')}`,
    address('webdav', '/a.txt'),
  )
  expect(moved.status).toBe(201)
  const listed = await curl(...user, '-X', 'PROPFIND', '-H', 'Depth: 1', address('webdav'))
  expect([listed.status, listed.body]).toEqual([207, expect.stringContaining('<D:href>/b.txt</D:href>')])
  const page = await open('webdav')
  await page.getByRole('link', { name: 'b.txt' }).click()
  expect(await page.textContent('body')).toBe('hello')
})

test('aria2: a page of its host asks by POST and by WebSocket, and has to know its secret', async () => {
  const page = await open('aria2')
  const ask = (secret: string) => ({ jsonrpc: '2.0', id: 'a', method: 'aria2.getVersion', params: [`token:${secret}`] })
  const answers = await page.evaluate(
    async ([right, wrong]) => {
      const send = async (body: object) =>
        (await fetch('/jsonrpc', { method: 'POST', body: JSON.stringify(body) })).json()
      const posted = [await send(right), await send(wrong)]
      const socket = new WebSocket('/jsonrpc')
      const said = new Promise<string>((resolve, reject) => {
        socket.addEventListener('open', () => socket.send(JSON.stringify(right)))
        socket.addEventListener('message', ({ data }) => resolve(data))
        socket.addEventListener('error', () => reject(new Error('no WebSocket')))
      })
      return [...posted, JSON.parse(await said)]
    },
    [ask('aria2s own secret'), ask('another')] as const,
  )
  const known = { id: 'a', result: { version: expect.any(String) } }
  expect(answers).toMatchObject([known, { id: 'a', error: { message: 'Unauthorized' } }, known])
})

test('mosquitto: a page of its host subscribes, and gets what it publishes', async () => {
  const page = await open('mosquitto')
  const { protocol, packets } = await page.evaluate(async () => {
    const socket = new WebSocket('/mqtt', 'mqtt')
    socket.binaryType = 'arraybuffer'
    const text = (value: string) => [0, value.length, ...new TextEncoder().encode(value)]
    const next = () =>
      new Promise<number[]>((resolve, reject) => {
        socket.addEventListener('message', ({ data }) => resolve([...new Uint8Array(data)]), { once: true })
        socket.addEventListener('error', () => reject(new Error('no WebSocket')), { once: true })
      })
    const ask = (type: number, body: readonly number[]) => {
      const answer = next()
      socket.send(new Uint8Array([type, body.length, ...body]))
      return answer
    }
    await new Promise<unknown>((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', () => reject(new Error('no WebSocket')))
    })
    const connected = await ask(0x10, [...text('MQTT'), 4, 2, 0, 60, ...text('page')])
    const subscribed = await ask(0x82, [0, 1, ...text('door'), 0])
    const published = await ask(0x30, [...text('door'), ...new TextEncoder().encode('open')])
    return { protocol: socket.protocol, packets: [connected, subscribed, published] }
  })
  expect(protocol).toBe('mqtt')
  // CONNACK, SUBACK, PUBLISH (MQTT 3.1.1 §3.2, §3.9, §3.3).
  const publish = [0x30, 10, 0, 4, ...new TextEncoder().encode('dooropen')]
  expect(packets).toEqual([[0x20, 2, 0, 0], [0x90, 3, 0, 1, 0], publish])
})

test('no page of theirs complains of anything', () => {
  expect(person.complaints).toEqual([])
})
