/** Runs each block of docs/getting-started.md in its order, as a reader does; free ports, pebble and the stand-in of Pocket ID take the places of its names. */
import { afterAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAnswering } from '../kit/applications/answering.ts'
import { BrowserLite } from '../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { plant, plantSecretsOf } from '../kit/log/planted.ts'
import { needs } from '../kit/needs.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { compiledBinary } from '../kit/programs/binary.ts'
import { freePort } from '../kit/programs/child.ts'
import { startPebble } from '../kit/programs/pebble.ts'
import { pocketIdUser } from '../kit/provider/pocket-id/people.ts'
import { pocketId } from '../kit/provider/pocket-id/pocket-id.ts'

const ROOT = join(import.meta.dir, '../..')
const CHAPTER = readFileSync(join(ROOT, 'docs/getting-started.md'), 'utf8')
const BLOCKS = [...CHAPTER.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', text = '']) => ({
  language,
  text,
}))

const opened = untilTheEnd()
const folder = temporaryFolder()
const first = join(folder.path, 'first')
const file = join(first, 'routes.toml')
const ports = new Map<string, number>()
for (const port of ['80', '443', '3000', '3001', '8080', '8443', '9464']) ports.set(port, await freePort())

const notes = opened(startAnswering(request => new Response(`notes at ${new URL(request.url).pathname}`)))
const wiki = opened(startAnswering(request => new Response(`wiki for ${request.headers.get('cookie') ?? 'nobody'}`)))
ports.set('3000', Number(notes.port))
ports.set('3001', Number(wiki.port))

let server: Bun.Subprocess<'ignore', 'pipe', 'pipe'> | null = null
let output = ''
afterAll(async () => {
  await stopServing()
  folder[Symbol.dispose]()
})

/** A block with the ports of this test, on loopback alone. */
function here(text: string): string {
  return text
    .replaceAll('0.0.0.0', '127.0.0.1')
    .replace(/(?<=127\.0\.0\.1:|localhost:)\d+/g, port => String(ports.get(port) ?? port))
}

/** The next block; each is taken once, and has to be of this kind. */
function take(language: string): string {
  const block = BLOCKS.shift()
  expect(block?.language).toBe(language)
  return here(block?.text ?? '')
}

/** Runs lines of a shell where a reader types them, and says what they print. Fails as they fail. */
async function run(lines: string, typed = '', cwd = first, status = 0): Promise<string> {
  const child = Bun.spawn(['sh', '-ec', lines], {
    cwd,
    env: { PATH: `${folder.path}/dist:${folder.path}/bin:${process.env.PATH}`, HOME: folder.path },
    stdin: new Blob([typed]),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
  expect([await child.exited, `${out}${err}`]).toEqual([status, expect.any(String)])
  return out + err
}

async function serve(): Promise<void> {
  await stopServing()
  output = ''
  const child = Bun.spawn([await compiledBinary(), 'serve'], {
    cwd: first,
    env: { PATH: process.env.PATH ?? '', HOME: folder.path },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  server = child
  for (const stream of [child.stdout, child.stderr])
    void (async () => {
      for await (const piece of stream) output += Buffer.from(piece).toString('utf8')
    })()
  await eventually(
    () => output.includes('Sallyport is listening'),
    () => `serve listens: ${output}`,
    60_000,
  )
}

async function stopServing(): Promise<void> {
  server?.kill('SIGTERM')
  await server?.exited
  server = null
}

function browser(): BrowserLite {
  const at = `localhost:${ports.get('8080')}`
  const gate = `127.0.0.1:${ports.get('8080')}`
  return new BrowserLite({ hosts: { [`auth.${at}`]: gate, [`app.${at}`]: gate, [`wiki.${at}`]: gate } })
}

const address = (name: string, path = '/') => `http://${name}.localhost:${ports.get('8080')}${path}`

async function signedIn(name: string, password: string, where: string): Promise<BrowserLite> {
  const who = browser()
  const page = await who.submit(await who.open(where), { name, password })
  expect(page.response.status).toBe(200)
  return who
}

/** Who has it in place of `[server]`, without the line that plain HTTP needs, and with the names that the portal then has. */
function overHttps(tables: string, url: string, domain: string): string {
  const rest = readFileSync(file, 'utf8').replace(/^\[server\]\n[\s\S]*?\n(?=\[)/m, '')
  expect(rest).toContain('insecure_cookies')
  const named = rest.replace(/^url = .*$/m, `url = "${url}"`).replaceAll('.localhost"', `.${domain}"`)
  return `${tables}\n${named.replace(/^insecure_cookies.*\n/m, '')}`
}

let plain = ''

describe('getting started', () => {
  test('1: the executable is on the PATH', async () => {
    // The build itself has tests of its own: here npm puts what was built where it puts it.
    mkdirSync(join(folder.path, 'bin'))
    const npm = join(folder.path, 'bin/npm')
    writeFileSync(
      npm,
      `#!/bin/sh\n[ "$*" = "run build" ] && mkdir -p dist && ln -sf ${await compiledBinary()} dist/sallyport\n`,
    )
    chmodSync(npm, 0o755)
    expect(await run(`${take('sh')}\nsallyport version`, '', folder.path)).toContain('Bun')
  })

  test('2: the first user signs in, and sees the application', async () => {
    const [lines = '', last] = take('sh').split(/^(?=sallyport serve)/m)
    expect(last).toBe('sallyport serve\n')
    const told = await run(lines, '', folder.path)
    const password = /The password of ada, which is shown this once: (\S+)/.exec(told)?.[1] ?? ''
    plant(password, 'the first password')
    writeFileSync(file, here(readFileSync(file, 'utf8')))
    writeFileSync(join(first, 'password'), password)
    await serve()
    const ada = browser()
    const page = await ada.submit(await ada.open(address('app')), { name: 'ada', password })
    expect(page.text).toBe('notes at /')
    expect((await ada.open(address('auth', '/.sallyport/admin'))).text).toContain('Administration')
  })

  test('3: an admin path and a public path, without a restart', async () => {
    await run(take('sh'), 'correct horse battery\n')
    const text = take('toml')
    const before = browser()
    expect((await before.visit(address('app', '/public'))).status).toBe(302)
    writeFileSync(file, text)
    await eventually(async () => (await before.visit(address('app', '/public'))).status === 200, 'the save counts')
    const ada = await signedIn('ada', readFileSync(join(first, 'password'), 'utf8'), address('app'))
    expect((await ada.open(address('app', '/admin'))).response.status).toBe(403)
    const grace = await signedIn('grace', 'correct horse battery', address('app'))
    expect((await grace.open(address('app', '/admin'))).text).toBe('notes at /admin')
    expect((await grace.open(address('auth', '/.sallyport/admin'))).text).toContain('Administration')
    expect(await run(take('sh'))).toMatch(/allow/)
  })

  test('4: a second application', async () => {
    const text = take('toml')
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n${text}`)
    plain = readFileSync(file, 'utf8')
    const who = browser()
    await eventually(async () => (await who.visit(address('wiki'))).status === 302, 'the save counts')
    const page = await who.submit(await who.open(address('wiki')), { name: 'grace', password: 'correct horse battery' })
    expect(page.text).toMatch(/^wiki for /)
    // One sign-in is for both.
    expect((await who.open(address('app'))).text).toBe('notes at /')
    const { text: people } = await who.open(address('auth', '/.sallyport/people'))
    expect(people.includes('name="act" value="invite"')).toBe(true)
  })

  test('5: an invitation of a user without a password', async () => {
    const told = await run(take('sh'))
    const link = /^http:\S+\/invitation\?\S+$/m.exec(told)?.[0] ?? ''
    plant(/link=(\S+)/.exec(link)?.[1] ?? '', 'an invitation')
    expect(new URL(link).origin).toBe(new URL(address('auth')).origin)
    // The server reads the file of users when it has seen that it changed; to open the page uses nothing.
    await eventually(
      async () => (await browser().open(link)).text.includes('Accept the invitation'),
      () => `bob is invited: ${told} ${output}`,
    )
  })

  needs('pebble').test('6: certificates of an authority on the internet', async () => {
    await using pebble = await startPebble({ httpPort: ports.get('80') ?? 0 })
    const email = 'acme = { email = "me@example.com" }'
    const tables = BLOCKS.find(({ text }) => text.includes(email))?.text ?? ''
    expect(tables).toContain(email)
    const its = email.replace(' }', `, directory = "${pebble.directory}", ca = "${pebble.ca}" }`)
    writeFileSync(file, overHttps(here(tables.replace(email, its)), 'https://auth.example.com', 'example.com'))
    await serve()
    const ca = await pebble.issuer()
    const ask = () =>
      fetch(`https://127.0.0.1:${ports.get('443')}/public`, {
        headers: { host: 'app.example.com' },
        tls: { ca, serverName: 'app.example.com' },
      }).then(
        async answer => `${answer.status} ${await answer.text()}`,
        () => 'not yet',
      )
    await eventually(
      async () => (await ask()) === '200 notes at /public',
      () => `HTTPS answers: ${output}`,
      60_000,
    )
    writeFileSync(file, plain)
  })

  needs('openssl').test('6: a certificate of an own authority', async () => {
    take('toml')
    await run(take('sh'))
    const url = `https://auth.home.arpa:${ports.get('8443')}`
    writeFileSync(file, overHttps(take('toml'), url, 'home.arpa'))
    await serve()
    expect(await run('sallyport check routes.toml')).not.toContain('warning')
    const answer = await fetch(`https://127.0.0.1:${ports.get('8443')}/public`, {
      headers: { host: 'app.home.arpa' },
      tls: { ca: readFileSync(join(first, 'ca.pem'), 'utf8'), serverName: 'app.home.arpa' },
    })
    expect([answer.status, await answer.text()]).toEqual([200, 'notes at /public'])
    writeFileSync(file, plain)
  })

  test('7: Pocket ID in place of local users', async () => {
    while (BLOCKS[0] !== undefined && !BLOCKS[0].text.startsWith('[providers.')) BLOCKS.shift()
    await using provider = await pocketId({ version: '2.14', users: [pocketIdUser('ada')] })
    provider.allowRedirect(address('auth', '/.sallyport/callback'))
    const tables = take('toml')
      .replace('https://id.example.com', provider.issuer)
      .replace(/(?<=client_id = ")[^"]+/, provider.clientId)
    const portal = tables.slice(tables.indexOf('[portals.home]')).split('\n').slice(1).join('\n')
    const text = plain
      .replace(/\[providers\.people\][^[]*/, `${tables.slice(0, tables.indexOf('[portals.home]'))}`)
      .replace('providers = ["people"]\n', portal)
    writeFileSync(file, text)
    writeFileSync(join(first, 'client-secret'), provider.clientSecret)
    plantSecretsOf(text)
    await serve()
    const who = browser()
    expect((await who.signIn(address('app'), 'ada')).text).toBe('notes at /')
    expect(await run(take('sh'))).toContain('answers discovery, and is the issuer that the file names')
  })

  test('the compose file is the one beside the chapter, and nothing is left', () => {
    expect(take('yaml')).toBe(here(readFileSync(join(ROOT, 'docs/compose.yaml'), 'utf8').replace(/^(?:#.*\n)+/, '')))
    expect(BLOCKS).toEqual([])
    expect(existsSync(join(first, 'sallyport.db'))).toBe(true)
  })
})
