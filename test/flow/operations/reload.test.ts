import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConfigState } from '../../../src/server/observe/admin-listener.ts'
import { startStreaming } from '../../kit/applications/streaming.ts'
import { eventually, type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'
import { openEvents, openWebSocket } from '../../kit/wire/streams.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
const upstream = keep(
  startStreaming(({ headers }) => `user=${headers.get('x-token-subject')} q=${headers.get('x-mine')}`),
)

function route(host: string, allow: string, more = ''): string {
  const rule = allow === 'public' ? 'allow = "public"' : `portal = "home"\nallow = ["${allow}"]`
  return routeTo(upstream, host, `${rule}\n${more}`)
}

const status = (gate: Gate, host: string, cookie = '') => statusOf(gate, '/', { host, cookie })

async function adminConfig(gate: Gate): Promise<ConfigState> {
  return (await (await fetch(`http://127.0.0.1:${gate.adminPort}/config`)).json()) as ConfigState
}

describe('a saved file takes effect', () => {
  const saves: [string, (path: string, text: string) => void][] = [
    ['in place', writeFileSync],
    [
      'by renaming another over it',
      (path, text) => {
        writeFileSync(`${path}.new`, text)
        renameSync(`${path}.new`, path)
      },
    ],
    [
      'by removing it and making it again',
      (path, text) => {
        rmSync(path)
        writeFileSync(path, text)
      },
    ],
  ]
  test.each(saves)('%s, three times in a row', async (_how, save) => {
    await using gate = await startGate(route('a0.example', 'public'))
    const text = readFileSync(gate.configPath, 'utf8')
    for (let round = 1; round <= 3; round++) {
      save(gate.configPath, text.replace('a0.example', `a${round}.example`))
      await eventually(
        async () => (await status(gate, `a${round}.example`)) === 200,
        `the new host answers, round ${round}`,
      )
      expect(await status(gate, `a${round - 1}.example`)).toBe(404)
    }
  })

  test('by swapping a link, as a mounted ConfigMap does', async () => {
    await using gate = await startGate(route('a0.example', 'public'))
    const text = readFileSync(gate.configPath, 'utf8')
    for (let round = 1; round <= 3; round++) {
      const version = join(gate.folder, `v${round}`)
      mkdirSync(version)
      writeFileSync(join(version, 'routes.toml'), text.replace('a0.example', `a${round}.example`))
      symlinkSync(join(version, 'routes.toml'), `${gate.configPath}.link`)
      renameSync(`${gate.configPath}.link`, gate.configPath)
      await eventually(
        async () => (await status(gate, `a${round}.example`)) === 200,
        `the new host answers, round ${round}`,
      )
    }
  })

  test('when a secret file that it names changes', async () => {
    await using gate = await startGate(route('a.example', 'public'))
    const secret = join(gate.folder, 'secret')
    writeFileSync(secret, 'one')
    gate.save(PORTAL.replace('"gate-secret"', `"\${file:${secret}}"`) + route('b.example', 'public'))
    await eventually(async () => (await status(gate, 'b.example')) === 200, 'the file with the secret is in force')
    const before = gate.told('The changed file is in use').length
    writeFileSync(secret, 'two')
    await eventually(() => gate.told('The changed file is in use').length > before, 'the new secret is taken over')
    expect(gate.log.join('')).not.toContain('two"')
  })
})

describe('a bad save', () => {
  test('keeps the old file in force and says why, in the log and on the admin listener, until it is mended', async () => {
    await using gate = await startGate(route('a.example', 'public'))
    gate.save(route('b.example', 'public').replace('upstream', 'upstrem'))
    await eventually(async () => (await adminConfig(gate)).refused !== null, 'the refusal is on the admin listener')
    expect((await adminConfig(gate)).refused).toContain('upstream')
    expect(gate.told('upstrem')).not.toEqual([])
    expect(await status(gate, 'a.example')).toBe(200)
    gate.save(route('b.example', 'public'))
    await eventually(async () => (await status(gate, 'b.example')) === 200, 'the mended file is in force')
    expect((await adminConfig(gate)).refused).toBeNull()
  })

  test('is told on the admin listener, with the file and since when what is in force is so', async () => {
    await using gate = await startGate(route('a.example', 'public'))
    const before = await adminConfig(gate)
    expect(before).toMatchObject({ file: gate.configPath, on_disk: 'in force', needs_restart: [] })
    expect(Date.parse(before.in_force_since)).toBeLessThanOrEqual(Date.now())
    gate.save(route('b.example', 'public').replace('upstream', 'upstrem'))
    await gate.server.reload()
    await eventually(async () => (await adminConfig(gate)).on_disk === 'refused', 'the refusal is told')
    expect((await adminConfig(gate)).in_force_since).toBe(before.in_force_since)
    gate.save(route('b.example', 'public'))
    writeFileSync(gate.configPath, readFileSync(gate.configPath, 'utf8').replace('127.0.0.1:0', '127.0.0.1:1'))
    await gate.server.reload()
    await eventually(async () => (await adminConfig(gate)).on_disk === 'in force', 'the mended file is in force')
    const after = await adminConfig(gate)
    expect(after.needs_restart).toEqual(['server.listen'])
    expect(Date.parse(after.in_force_since)).toBeGreaterThanOrEqual(Date.parse(before.in_force_since))
  })

  test('that leaves the file half written is outlived', async () => {
    await using gate = await startGate(route('a.example', 'public'))
    const text = readFileSync(gate.configPath, 'utf8')
    writeFileSync(gate.configPath, text.slice(0, text.length / 2))
    await Bun.sleep(300)
    expect(await status(gate, 'a.example')).toBe(200)
    writeFileSync(gate.configPath, '')
    await Bun.sleep(300)
    expect(await status(gate, 'a.example')).toBe(200)
    rmSync(gate.configPath)
    await Bun.sleep(300)
    expect(await status(gate, 'a.example')).toBe(200)
    writeFileSync(gate.configPath, text.replace('a.example', 'b.example'))
    await eventually(async () => (await status(gate, 'b.example')) === 200, 'the file is back')
  })
})

test('under traffic, with a thousand routes, no request fails', async () => {
  const many = (tag: string) =>
    Array.from({ length: 1000 }, (_, index) => route(`h${index}-${tag}.example`, 'public')).join('')
  await using gate = await startGate(route('steady.example', 'public') + many('0'))
  let isDone = false
  const statuses = new Map<number, number>()
  const traffic = Array.from({ length: 8 }, async () => {
    while (!isDone) {
      const code = await status(gate, 'steady.example')
      statuses.set(code, (statuses.get(code) ?? 0) + 1)
    }
  })
  for (let round = 1; round <= 5; round++) {
    gate.save(route('steady.example', 'public') + many(String(round)))
    await eventually(async () => (await status(gate, `h999-${round}.example`)) === 200, `round ${round} is in force`)
  }
  isDone = true
  await Promise.all(traffic)
  expect([...statuses.keys()]).toEqual([200])
}, 300_000)

describe('a reload acts on live sessions at once', () => {
  test('roles and rules are those of the file in force', async () => {
    await using gate = await startGate(PORTAL + route('app.example', 'user'))
    const { cookie } = await gate.signIn('app.example', { sub: 'ada', groups: ['staff'] })
    expect(await status(gate, 'app.example', cookie)).toBe(200)
    gate.save(PORTAL + route('app.example', 'admin'))
    await eventually(async () => (await status(gate, 'app.example', cookie)) === 403, 'the stricter rule')
    gate.save(PORTAL.replace('["admins"]', '["staff"]') + route('app.example', 'admin'))
    await eventually(async () => (await status(gate, 'app.example', cookie)) === 200, 'the wider role')
  })

  test('identity fields change with the file', async () => {
    await using gate = await startGate(PORTAL + route('app.example', 'user', 'headers = "x-token"'))
    const { cookie } = await gate.signIn('app.example', { sub: 'ada' })
    const ask = async () => (await fetchFrom(gate, '/', { host: 'app.example', cookie, 'x-mine': 'forged' })).text()
    expect(await ask()).toBe('user=ada q=forged')
    gate.save(PORTAL + route('app.example', 'user', 'headers = { "X-Mine" = "{sub}" }'))
    await eventually(async () => (await ask()) === 'user=null q=ada', 'the new fields')
  })

  test('event streams and WebSockets that are no longer allowed are closed, the others stay', async () => {
    await using gate = await startGate(PORTAL + route('app.example', 'user') + route('other.example', 'user'))
    const { cookie } = await gate.signIn('app.example', { sub: 'ada' })
    const other = await gate.signIn('other.example', { sub: 'ada' })
    using events = await openEvents(gate, 'app.example', [`Cookie: ${cookie}`])
    using socket = await openWebSocket(gate, 'app.example', [`Cookie: ${cookie}`])
    using stays = await openWebSocket(gate, 'other.example', [`Cookie: ${other.cookie}`])
    gate.save(PORTAL + route('app.example', 'admin') + route('other.example', 'user'))
    await eventually(events.isOver, 'the event stream ends')
    await eventually(socket.isOver, 'the WebSocket is closed')
    await Bun.sleep(50)
    expect(stays.isOver()).toBe(false)
  })

  test('so does a session that ends elsewhere', async () => {
    await using gate = await startGate(PORTAL + route('app.example', 'user'))
    const { cookie } = await gate.signIn('app.example', { sub: 'ada' })
    using events = await openEvents(gate, 'app.example', [`Cookie: ${cookie}`])
    const out = await sendRaw(
      gate.port,
      `POST /.sallyport/logout HTTP/1.1\r\nHost: app.example\r\nCookie: ${cookie}\r\nOrigin: http://app.example\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n\r\n`,
    )
    expect(out.status).toBe(303)
    await eventually(events.isOver, 'the event stream ends')
    expect(await status(gate, 'app.example', cookie)).toBe(401)
  })
})
