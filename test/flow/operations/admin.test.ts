import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../../src/config/load.ts'
import { makeIdentity } from '../../../src/identity/identity.ts'
import { openSessionState } from '../../../src/process/session-state.ts'
import { type CheckApart, checkInThread } from '../../../src/process/threads/ask-thread.ts'
import { startApp } from '../../kit/applications/app.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { freePort, PROGRAMS, startChild } from '../../kit/programs/child.ts'
import { acceptWebSocket, askForWebSocket } from '../../kit/wire/websocket.ts'
import { hasHead, httpResponse, sendRaw, startRawUpstream } from '../../kit/wire/wire.ts'

const HOST = 'home.example'
const ADMIN = { sub: 'ada', name: 'Ada', email: 'ada@example.com', groups: ['admins'] }
const USER = { sub: 'grace', name: 'Grace', email: 'grace@example.com' }

const admins = PORTAL.replace('providers = ["id"]', 'providers = ["id"]\nadmin_role = "admin"')
const route = (lines: string, upstream = 'http://127.0.0.1:9') =>
  `\n[[routes]]\nhost = "${HOST}"\nupstream = "${upstream}"\nportal = "home"\n${lines}\n`
const ROUTES = route('allow = ["user"]') + route('path = "/settings"\nname = "Settings"\nallow = ["admin"]')

async function load(gate: Pick<Gate, 'port'>, path: string, cookie: string, init: RequestInit = {}) {
  const headers = {
    host: HOST,
    cookie,
    accept: 'text/html',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  }
  const answer = await fetch(`http://127.0.0.1:${gate.port}${path}`, { ...init, headers, redirect: 'manual' })
  return { status: answer.status, location: answer.headers.get('location'), text: await answer.text() }
}

/** The words of the admin page, as they follow each other. */
async function words(gate: Pick<Gate, 'port'>, cookie: string, path = '/.sallyport/admin'): Promise<string> {
  const { status, text } = await load(gate, path, cookie)
  expect(status).toBe(200)
  return text
    .slice(text.indexOf('<main>'), text.indexOf('</main>'))
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
}

describe('the admin page', () => {
  test('is there for nobody where no role is named, and for nobody without that role', async () => {
    await using without = await startGate(PORTAL + ROUTES)
    const { cookie } = await without.signIn(HOST, ADMIN)
    expect((await load(without, '/.sallyport/admin', cookie)).status).toBe(404)
    expect((await load(without, '/.sallyport/', cookie)).text).not.toContain('/.sallyport/admin')

    await using gate = await startGate(admins + ROUTES)
    const [ada, grace] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, USER)]
    const refused = await load(gate, '/.sallyport/admin', grace.cookie)
    expect(refused.status).toBe(403)
    expect(refused.text).not.toMatch(/Settings|127\.0\.0\.1|\bAda\b/)
    expect((await load(gate, '/.sallyport/', grace.cookie)).text).not.toContain('/.sallyport/admin')
    expect(htmlPage((await load(gate, '/.sallyport/', ada.cookie)).text).link('Administration')).toBe(
      '/.sallyport/admin',
    )
    expect((await load(gate, '/.sallyport/admin', '')).location).toBe('/.sallyport/login?return=%2F.sallyport%2Fadmin')
  })

  test('only reads where nobody asks for access', async () => {
    await using gate = await startGate(admins + ROUTES)
    const { cookie } = await gate.signIn(HOST, ADMIN)
    for (const [method, status] of [
      ['POST', 404],
      ['PUT', 405],
      ['DELETE', 405],
    ] as const) {
      expect([method, (await load(gate, '/.sallyport/admin', cookie, { method })).status]).toEqual([method, status])
    }
  })

  test('says who is in, and who was turned away and why, without what they asked for', async () => {
    await using gate = await startGate(admins + ROUTES)
    const [ada, grace] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, USER)]
    expect((await load(gate, '/settings/of/somebody?token=secret', grace.cookie)).status).toBe(403)
    const said = await words(gate, ada.cookie)
    expect(said).toContain('Sessions 2 2 people, 2 active in the last 15 minutes')
    expect(said).toContain(
      'Grace at Settings Needs the role admin, which is missing. Details the user has none of the roles; needs: role admin; has no groups; rules ask for admins 127.0.0.1 · GET · role.missing',
    )
    expect(said).not.toMatch(/somebody|secret/)
    expect(said).toContain('Settings home.example/settings Not answering admin')
    expect(said).toContain('Sign-in providers id http://127.0.0.1:9 Not asked yet')
  })

  test('says which groups somebody came with, where a rule has another spelling, and so does the log', async () => {
    const own = `${admins}family = [{ groups = ["Family", "Friends"] }]\n`
    await using gate = await startGate(
      own +
        ROUTES +
        route('path = "/photos"\nallow = ["family"]') +
        route(
          'path = "/quiet"\nallow = [{ roles = ["user"], not = { groups = ["loud"] } }]\ndeny = [{ groups = ["banned"] }]',
        ) +
        route('path = "/films"\nallow = [{ all = [{ groups = ["Film club"] }, { networks = ["127.0.0.1"] }] }]') +
        route('path = "/lab"\nallow = [{ groups = ["family"], networks = ["203.0.113.0/24"] }]'),
    )
    const { cookie } = await gate.signIn(HOST, ADMIN)
    const many = Array.from({ length: 300 }, (_, index) => `group-${index}`)
    const people = [
      ['/photos', ['family'], 'has family; rules ask for Family, Friends'],
      ['/films', ['family', 'x'], 'has family, x; rules ask for Film club'],
      ['/quiet', ['loud'], 'has loud; rules refuse loud'],
      ['/quiet', ['banned'], 'has banned; rules refuse banned'],
      ['/photos', [], 'has no groups; rules ask for Family, Friends'],
      [
        '/photos',
        ['0123456789'.repeat(6), `${'0123456789'.repeat(6)}x`],
        `has ${'0123456789'.repeat(6)}, ${'0123456789'.repeat(6)}…; rules ask for Family, Friends`,
      ],
      ['/photos', many.slice(0, 20), `has ${many.slice(0, 20).join(', ')}; rules ask for Family, Friends`],
      ['/photos', many, `has ${many.slice(0, 20).join(', ')} and 280 more; rules ask for Family, Friends`],
    ] as const
    for (const [path, groups, said] of people) {
      const grace = await gate.signIn(HOST, { ...USER, groups: [...groups] })
      const answer = await load(gate, path, grace.cookie)
      expect([answer.status, answer.text.includes('Friends')]).toEqual([403, false])
      const line: unknown = JSON.parse(gate.log.findLast(one => one.includes('denied')) ?? '{}')
      expect(line).toMatchObject({ groups: said })
      expect(await words(gate, cookie)).toContain(`; ${said} 127.0.0.1`)
    }
    // Whoever has the group is refused for something else.
    const grace = await gate.signIn(HOST, { ...USER, groups: ['family'] })
    expect((await load(gate, '/lab', grace.cookie)).status).toBe(403)
    expect(gate.log.findLast(one => one.includes('denied'))).not.toContain('rules ask for')
  })

  test('says what would have to change for somebody who was refused before signing in', async () => {
    await using gate = await startGate(
      admins + ROUTES + route('path = "/lab"\nallow = [{ networks = ["203.0.113.0/24"] }]'),
    )
    const { cookie } = await gate.signIn(HOST, ADMIN)
    expect((await load(gate, '/lab', '')).status).toBe(403)
    expect(await words(gate, cookie)).toContain(
      'Someone at home.example/lab the client is in none of the networks Details the client is in none of the networks; needs: signed in, network 203.0.113.0/24 127.0.0.1',
    )
  })

  test('says how each address is, and how many requests are under way, when it was used and how long it took', async () => {
    let answer = (): void => undefined
    await using app = await startApp(
      (_, response) => {
        answer = () => response.end('late')
      },
      { port: await freePort() },
    )
    const at = `127.0.0.1:${app.port}`
    await using gate = await startGate(admins + route('allow = ["user"]', `http://${at}`))
    const { cookie } = await gate.signIn(HOST, ADMIN)
    const address = `/.sallyport/route?id=${encodeURIComponent(`${HOST}/`)}`
    expect(await words(gate, cookie, address)).toContain('Last use Not since the start')
    const slow = load(gate, '/', cookie)
    await eventually(() => app.underWay === 1, 'the application is asked')
    expect(await words(gate, cookie, address)).toContain(`${at} Running · 1 under way`)
    answer()
    await slow
    expect(await words(gate, cookie, address)).toMatch(
      /Last use just now · 1 request since the start Response time \S+ (ms|sec)/,
    )
    expect(await words(gate, cookie)).toMatch(/home\.example Running user just now \S+ (ms|sec)/)
    await app.stop()
    await load(gate, '/', cookie)
    expect(await words(gate, cookie, address)).toContain(`${at} Not answering · 1 failed in a row`)
    expect(await words(gate, cookie)).toContain(`Needs attention home.example ${at} Not answering`)
  })

  test('asks how applications are when somebody looks, once in half a minute for all who look, and never for a page', async () => {
    let nowMs = Date.now()
    let opened = 0
    const asked: string[] = []
    await using plain = await startRawUpstream(
      async () => {
        opened++
      },
      await freePort(),
    )
    await using checked = await startApp((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers['user-agent']}`)
      response.end()
    })
    await using other = await startApp((request, response) => {
      asked.push(`${request.url}`)
      response.end()
    })
    const upstream = (port: number, health = '') =>
      `\n[[routes]]\nhost = "${HOST}"\npath = "/${port}"\nupstream = { to = "http://127.0.0.1:${port}"${health} }\nportal = "home"\nallow = ["user"]\n`
    await using gate = await startGate(
      admins +
        ROUTES +
        upstream(plain.port) +
        upstream(checked.port, ', health = { path = "/alive", interval = "1h" }') +
        upstream(other.port),
      { ports: { now: () => nowMs } },
    )
    const [ada, bob] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, { ...ADMIN, sub: 'bob' })]
    const ALIVE = 'GET /alive sallyport-health'
    await eventually(() => asked.length === 1, 'the check that the file asks for')
    expect(opened).toBe(0)
    for (const { cookie } of [ada, bob, ada]) {
      const said = await words(gate, cookie)
      for (const { port } of [plain, checked, other]) expect(said).toContain(`${HOST}/${port} Running`)
    }
    expect([opened, asked]).toEqual([1, [ALIVE, ALIVE]])
    nowMs += 29_000
    await words(gate, bob.cookie)
    expect([opened, asked]).toEqual([1, [ALIVE, ALIVE]])
    await plain[Symbol.asyncDispose]()
    nowMs += 2_000
    expect(await words(gate, bob.cookie)).toContain(`${HOST}/${plain.port} Not answering`)
    expect([opened, asked]).toEqual([1, [ALIVE, ALIVE, ALIVE]])
  })

  test('says of what only a proxy in front can ask why it knows nothing, and of what it answers itself that it does', async () => {
    await using gate = await startGate(
      `${admins}\n[[routes]]\nhost = "${HOST}"\npath = "/front"\nverify = true\nportal = "home"\nallow = ["user"]\n` +
        `\n[[routes]]\nhost = "${HOST}"\nrespond = { body = "in" }\nportal = "home"\nallow = ["user"]\n`,
      { server: 'verify = ["127.0.0.1:0"]\ntrusted_proxies = ["127.0.0.1"]' },
    )
    const { cookie } = await gate.signIn(HOST, ADMIN)
    const said = await words(gate, cookie)
    expect(said).toContain('home.example/front Unknown Only the proxy in front knows its address. user')
    expect(said).toContain('home.example Answered by Sallyport user')
    expect(said).toContain('Applications 0 of 1 1 is unknown')
  })

  test('has a page for each route, with what explain says of a request of anybody who is signed in', async () => {
    await using gate = await startGate(admins + ROUTES)
    const [ada, grace] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, USER)]
    const route = `/.sallyport/route?id=${encodeURIComponent(`${HOST}/settings`)}`
    const own = await words(gate, ada.cookie, route)
    expect(own).toContain('Settings home.example/settings')
    expect(own).toContain('Access admin')
    expect(own).toContain('Ada may open it. Details the user has a role that the route allows role.held who ada')
    const asked = async (fields: Record<string, string>) =>
      words(gate, ada.cookie, `${route}&${new URLSearchParams(fields)}`)
    expect(await asked({ who: grace.sessionId })).toMatch(
      /Grace may not open it: that needs the role admin\. Details the user has none of the roles role\.missing .* roles user needs role admin/,
    )
    expect(await asked({ who: '' })).toContain('Has to sign in')
    const elsewhere = await asked({ who: grace.sessionId, address: `http://${HOST}/other`, method: 'POST' })
    expect(elsewhere).toContain('Grace may open it.')
    expect(elsewhere).toContain(`Another route takes this address: ${HOST}/`)
    expect(await asked({ address: 'http://nowhere.example/' })).toContain('No route')
    expect(await asked({ address: 'javascript:alert(1)' })).toContain('This is not an address of this portal.')
    expect((await load(gate, `${route}x`, ada.cookie)).status).toBe(404)
    expect((await load(gate, route, grace.cookie)).status).toBe(403)
  })

  test('says what an application refuses of what its route sends, once it has, and what helps', async () => {
    const asked: string[] = []
    await using app = await startApp((request, response) => {
      asked.push(`${request.headers['user-agent']} ${request.headers.host}`)
      const isOwn = request.headers.host === `127.0.0.1:${app.port}`
      response.writeHead(isOwn ? 200 : 421, { 'content-type': 'text/html' })
      response.end('<h1>Misdirected</h1><script>x</script>unknown &lt;host&gt;')
    })
    await using gate = await startGate(admins + route('allow = ["user"]', `http://127.0.0.1:${app.port}`))
    const [ada, grace] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, USER)]
    expect(await words(gate, ada.cookie)).not.toContain('refuses')
    expect(asked).toEqual([])
    expect((await load(gate, '/', grace.cookie)).status).toBe(421)
    for (const path of ['/.sallyport/', '/.sallyport/admin']) {
      expect((await load(gate, path, grace.cookie)).text).not.toMatch(/Misdirected|host_header/)
    }
    expect(asked.filter(one => one.startsWith('sallyport-doctor'))).toEqual([])
    const said =
      'The application refuses Host home.example with 421 Misdirected unknown &lt;host&gt; · What helps: host_header = &quot;upstream&quot;'
    await eventually(async () => (await words(gate, ada.cookie)).includes(said), 'what the application says')
    expect(await words(gate, ada.cookie)).toContain(said)
    expect(asked.filter(one => one.startsWith('sallyport-doctor'))).toEqual([
      `sallyport-doctor ${HOST}`,
      `sallyport-doctor 127.0.0.1:${app.port}`,
    ])
  })

  test('says it of WebSockets too, whose pages come', async () => {
    await using app = await startRawUpstream(async connection => {
      while (!connection.isClosed) {
        const got = await connection.receive({ until: hasHead, timeoutMs: 300_000 })
        const head = got.raw.toString('latin1')
        const isOwn = head.toLowerCase().includes(`\r\norigin: http://127.0.0.1:${app.port}\r\n`)
        if (!/^upgrade:/im.test(head)) await connection.send(httpResponse(200, 'ok'))
        else await connection.send(isOwn ? acceptWebSocket(got) : httpResponse(403, 'Cross origin'))
      }
    })
    await using gate = await startGate(admins + route('allow = ["user"]', `http://127.0.0.1:${app.port}`))
    const { cookie } = await gate.signIn(HOST, ADMIN)
    const fields = [`Cookie: ${cookie}`, `Origin: http://${HOST}`]
    expect((await sendRaw(gate.port, askForWebSocket(HOST, '/', fields))).status).toBe(403)
    const said =
      'refuses WebSockets that have Origin http://home.example with 403 Cross origin · What helps: host_header = &quot;upstream&quot; origin = &quot;upstream&quot;'
    await eventually(async () => (await words(gate, cookie)).includes(said), 'what the application says')
  })

  test('has no word of a page that an application keeps from somebody', async () => {
    await using app = await startApp((request, response) => {
      response.writeHead(403)
      response.end(request.headers['user-agent'] === 'sallyport-doctor' ? 'not for you' : 'secret of grace')
    })
    await using gate = await startGate(admins + route('allow = ["user"]', `http://127.0.0.1:${app.port}`))
    const [ada, grace] = [await gate.signIn(HOST, ADMIN), await gate.signIn(HOST, USER)]
    expect((await load(gate, '/', grace.cookie)).status).toBe(403)
    expect(await words(gate, ada.cookie)).not.toMatch(/secret|not for you|refuses/)
  })

  test('says that a save is not in force, and what is wrong with it, with nothing of the lines around', async () => {
    await using gate = await startGate(admins + ROUTES)
    const { cookie } = await gate.signIn(HOST, ADMIN)
    expect(await words(gate, cookie)).not.toContain('not in use')
    gate.save(
      `${admins}${ROUTES}`.replace('client_secret = "gate-secret"', 'client_secret = "gate-secret"\nscope = ["a"]'),
    )
    gate.server.reload()
    const said = await words(gate, cookie)
    expect(said).toContain('The last save is not in use: it has an error. line ')
    expect(said).toContain('unknown key')
    expect(said).not.toContain('gate-secret')
  })

  test('says which file is in force, and how the one on disk differs from it', async () => {
    const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
    const checkApart: CheckApart = (question, signal) => mayGoOn.then(() => checkInThread(question, signal))
    await using gate = await startGate(admins + ROUTES, { checkApart })
    const { cookie } = await gate.signIn(HOST, ADMIN)
    expect(await words(gate, cookie)).toContain(
      `Configuration ${gate.configPath} Loaded just now · The file on disk is in use. The file, in use and on disk`,
    )
    const text = readFileSync(gate.configPath, 'utf8')
    writeFileSync(gate.configPath, `${text}\n# ${'long '.repeat(20_000)}\n`)
    const reloaded = gate.server.reload()
    expect(await words(gate, cookie)).toContain('The file on disk has been saved since, and is being read.')
    goOn()
    await reloaded
    const isRead = async () => (await words(gate, cookie)).includes('The file on disk is in use.')
    await eventually(isRead, 'the save is in force, and the watch has seen it')
    writeFileSync(gate.configPath, text.replace('127.0.0.1:0', '127.0.0.1:1'))
    await gate.server.reload()
    expect(await words(gate, cookie)).toContain(
      'Needs attention home.example 127.0.0.1:9 Not answering Settings 127.0.0.1:9 Not answering Some changes need a restart server.listen',
    )
  })

  test('of one portal among several shows what is of that portal alone', async () => {
    const other =
      '\n[portals.other]\nproviders = ["id"]\ninsecure_cookies = true\n[portals.other.roles]\nuser = { any = true }\n' +
      '\n[[routes]]\nhost = "other.example"\nupstream = "http://127.0.0.1:9"\nportal = "other"\nallow = ["user"]\n' +
      '\n[[routes]]\nhost = "open.example"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n'
    await using alone = await startGate(admins + ROUTES + other.slice(other.lastIndexOf('\n[[routes]]')))
    expect(await words(alone, (await alone.signIn(HOST, ADMIN)).cookie)).toContain('open.example')
    await using gate = await startGate(admins + ROUTES + other)
    const { cookie } = await gate.signIn(HOST, ADMIN)
    gate.save(admins + ROUTES + other.replace('allow = "public"', 'allow = "publik"'))
    gate.server.reload()
    const said = await words(gate, cookie)
    expect(said).toContain('Needs attention The last save is not in use: it has an error. home.example 127.0.0.1:9')
    expect(said).not.toMatch(/other\.example|open\.example|publik/)
    const unseen = `/.sallyport/route?id=${encodeURIComponent('other.example/')}`
    expect((await load(gate, unseen, cookie)).status).toBe(404)
    const own = `/.sallyport/route?id=${encodeURIComponent(`${HOST}/`)}&address=http://other.example/`
    expect(await words(gate, cookie, own)).toContain('This is not an address of this portal.')
    expect(said).not.toContain(gate.configPath)
  })

  test.each(PROGRAMS)(
    'of several workers of %s is about all of them',
    async (_, program) => {
      using folder = temporaryFolder()
      const port = await freePort()
      await using child = await startChild({
        command: await program(),
        folder: folder.path,
        port,
        toml: `workers = 2\n\n[sessions]\nstore = "sqlite:sallyport.db"\n${admins}${ROUTES}`,
      })
      const loaded = loadConfig(join(folder.path, 'routes.toml'), {
        readText: path => readFileSync(path, 'utf8'),
        readBytes: path => readFileSync(path),
        env: () => undefined,
      })
      if (!loaded.ok) throw new Error('the file is good')
      const { sessions } = openSessionState(loaded.config, quietPorts({ now: Date.now }))
      const signIn = async (claims: typeof USER) => {
        const identity = makeIdentity('id', 'http://127.0.0.1:9', claims.sub, claims)
        const secrets = { idToken: 'x', refreshToken: null }
        return `sallyport=${(await sessions.start({ portal: 'home', host: HOST, identity, secrets })).token}`
      }
      const [ada, grace] = [await signIn(ADMIN), await signIn(USER)]
      await sessions.close()
      // Each on a connection of its own, so that the system chooses a worker anew.
      for (let count = 0; count < 20; count++) {
        const answer = await fetch(`http://127.0.0.1:${port}/settings`, {
          headers: { host: HOST, cookie: grace, connection: 'close' },
          keepalive: false,
        })
        expect(answer.status).toBe(403)
      }
      let said = ''
      // A worker that is slow to say its counts is left out.
      await eventually(
        async () => {
          said = await words(child, ada)
          return said.includes('Counts from 2 of 2 processes.')
        },
        () => `both say their counts: ${said}`,
      )
      expect(said).toContain('Grace at Settings 20 times Needs the role admin, which is missing.')
    },
    300_000,
  )
})
