import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { runExplain } from '../../../src/cli/explain.ts'
import { AUTH, startAsking } from '../../kit/asking.ts'
import { openStreams } from '../../kit/belongings.ts'
import { aheadClock } from '../../kit/clock.ts'
import { runOn } from '../../kit/commands.ts'
import { bearer, OWN_FORM } from '../../kit/fields.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { needs } from '../../kit/needs.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startOutgoingProxy } from '../../kit/programs/outgoing-proxy.ts'
import { startValkey } from '../../kit/programs/valkey.ts'
import { fetchFrom, sendForm, statusOf } from '../../kit/requests.ts'
import { shared } from '../../kit/sessions/shared.ts'

const HOUR_MS = 60 * 60 * 1000

const asking = untilTheEnd()(startAsking())
const { routes, person, load, ask, decide, requests, listed, page } = asking

describe('asking for access', () => {
  test('from the page of a refusal to being let in, and out again once the time is over', async () => {
    const clock = aheadClock()
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const ada = await person(gate, 'ada')
    const refused = await load(gate, ada)
    expect(refused.status).toBe(403)
    const form = htmlPage(refused.text)
    expect([form.hasButton('Ask for access'), form.form('family').hidden.role]).toEqual([true, 'family'])
    expect(await ask(gate, ada, { text: 'for the pictures of the party' })).toBe(303)
    const waiting = await load(gate, ada)
    expect([waiting.status, waiting.text.includes('You asked for access')]).toEqual([403, true])
    expect(htmlPage(waiting.text).has('[name="role"]')).toBe(false)
    expect(gate.told('Access was asked for', '"role":"family"', '"user":"ada"')).toHaveLength(1)
    const headings = async () => htmlPage((await page(gate, ada, 'sessions')).text).texts('h2, h3')
    expect(await headings()).toContain('Requests for access')
    expect(await headings()).not.toContain('Granted roles')

    const root = await person(gate, 'root', ['admins'])
    const admin = await page(gate, root, 'admin')
    expect(htmlPage(admin.text).one('#requests').text).toContain('for the pictures of the party')
    const [request] = (await listed(gate)).requests
    expect(await decide(gate, root, { act: 'grant', id: request?.id ?? '', hours: '1' })).toBe(303)
    expect(gate.told('A role was granted', '"by":"root"', '"user":"ada"')).toHaveLength(1)
    expect(await load(gate, ada)).toEqual({ status: 200, text: 'user family' })
    expect(await headings()).toContain('Granted roles')
    expect((await load(gate, await person(gate, 'bob'))).status).toBe(403)

    clock.advance(HOUR_MS + 1)
    await eventually(async () => (await load(gate, ada)).status === 403, 'the hour is over')
  })

  test('is offered only where the portal says so, and only for roles that it means', async () => {
    const offered = async (toml: string, path: string) => {
      await using gate = await startGate(toml)
      const { status, text } = await load(gate, await person(gate, 'ada'), path)
      expect(status).toBe(403)
      return htmlPage(text)
        .all('input[name="role"], option')
        .map(one => one.attribute('value'))
    }
    expect(await offered(routes(''), '/')).toEqual([])
    expect(await offered(routes('requests = false'), '/')).toEqual([])
    expect(await offered(routes(), '/staff')).toEqual(['staff'])
    expect(await offered(routes(), '/root')).toEqual([])
    expect(await offered(routes(), '/never')).toEqual([])
    expect(await offered(routes('requests = { roles = ["staff", "admin"] }'), '/staff')).toEqual(['staff', 'admin'])
    expect(await offered(routes('requests = { roles = ["staff"] }'), '/')).toEqual([])
  })

  test('a request that was declined is not made again on the same day', async () => {
    const clock = aheadClock()
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const ada = await person(gate, 'ada')
    await ask(gate, ada)
    const [request] = (await listed(gate)).requests
    expect((await requests(gate, 'deny', request?.id ?? '')).code).toBe(0)
    await eventually(async () => (await load(gate, ada)).text.includes('was declined'), 'the page says so')
    expect(await ask(gate, ada)).toBe(303)
    expect((await listed(gate)).requests).toEqual([])
    clock.advance(25 * HOUR_MS)
    await ask(gate, await person(gate, 'ada'))
    expect((await listed(gate)).requests).toMatchObject([{ name: 'ADA', role: 'family' }])
  })

  test('what was granted joins their personal tokens too, and ends with its streams once it is revoked', async () => {
    await using gate = await startGate(routes())
    const ada = await person(gate, 'ada')
    const made = await sendForm(
      gate,
      'tokens',
      { ...OWN_FORM, host: AUTH, cookie: ada.pageCookie },
      { act: 'create', name: 'script', days: '30' },
    )
    const token = bearer(/sp_[A-Za-z0-9_-]{43}/.exec(await made.text())?.[0] ?? '')
    await ask(gate, ada)
    const root = await person(gate, 'root', ['admins'])
    const [request] = (await listed(gate)).requests
    await decide(gate, root, { act: 'grant', id: request?.id ?? '', hours: 'always' })
    const open = await openStreams(gate, {
      session: { host: 'app.test', cookie: ada.cookie },
      token: { host: 'app.test', ...token },
    })
    expect(open()).toEqual(['session', 'token'])
    const [grant] = (await listed(gate)).grants
    expect(grant?.until).toBe(null)
    expect(await decide(gate, root, { act: 'revoke', id: grant?.id ?? '' })).toBe(303)
    await eventually(() => open().length === 0, 'both streams end')
    expect((await load(gate, ada)).status).toBe(403)
    expect(await statusOf(gate, '/', { host: 'app.test', ...token })).toBe(403)
    expect(gate.told('A granted role was revoked', '"user":"ada"')).toHaveLength(1)
  })

  test('a stream ends with the time for which a role was granted', async () => {
    const clock = aheadClock()
    await using gate = await startGate(routes(), { ports: { now: clock.now } })
    const ada = await person(gate, 'ada')
    await ask(gate, ada)
    const [request] = (await listed(gate)).requests
    await decide(gate, await person(gate, 'root', ['admins']), { act: 'grant', id: request?.id ?? '', hours: '1' })
    const open = await openStreams(gate, { session: { host: 'app.test', cookie: ada.cookie } })
    clock.advance(HOUR_MS + 1)
    await eventually(() => open().length === 0, 'the stream ends')
  })

  test('outlives a restart, and counts only while the file lets people ask for the role', async () => {
    using folder = temporaryFolder()
    const store = shared(join(folder.path, 'kept.db'))
    let cookie = ''
    {
      await using gate = await startGate(routes(), store)
      const ada = await person(gate, 'ada')
      cookie = ada.cookie
      await ask(gate, ada)
      const [request] = (await listed(gate)).requests
      const granted = await requests(gate, 'grant', request?.id ?? '', '--for', '1d')
      expect([granted.code, granted.out]).toEqual([0, expect.stringContaining('family granted to ADA until ')])
    }
    await using gate = await startGate(routes(), store)
    expect((await load(gate, { cookie })).status).toBe(200)
    gate.save(routes('requests = { roles = ["staff"] }'))
    await eventually(async () => (await load(gate, { cookie })).status === 403, 'the role is not to be had any more')
    gate.save(routes())
    await eventually(async () => (await load(gate, { cookie })).status === 200, 'it is again')
    gate.save(routes(''))
    await eventually(async () => (await load(gate, { cookie })).status === 403, 'nobody asks at all')
  })

  needs('valkey-server').test.each(['sqlite', 'redis'])(
    'counts in every process and machine at once, by %s',
    async kind => {
      await using valkey = kind === 'redis' ? await startValkey() : null
      using folder = temporaryFolder()
      const store = shared(valkey === null ? join(folder.path, 'shared.db') : valkey.url())
      await using one = await startGate(routes(), store)
      await using other = await startGate(routes(), store)
      const ada = await person(one, 'ada')
      expect((await load(other, ada)).status).toBe(403)
      await ask(one, ada)
      await eventually(async () => (await load(other, ada)).text.includes('You asked for access'), 'the other knows')
      expect(await ask(other, ada)).toBe(303)
      const { requests: waiting } = await listed(other)
      expect(waiting).toHaveLength(1)
      expect((await requests(one, 'grant', waiting[0]?.id ?? '', '--for', 'always')).code).toBe(0)
      for (const gate of [one, other]) {
        await eventually(async () => (await load(gate, ada)).status === 200, 'the role counts')
      }
      const open = await openStreams(other, { session: { host: 'app.test', cookie: ada.cookie } })
      const [grant] = (await listed(one)).grants
      expect((await requests(one, 'revoke', grant?.id ?? '')).code).toBe(0)
      await eventually(() => open().length === 0, 'the stream at the other ends')
      for (const gate of [one, other]) {
        await eventually(async () => (await load(gate, ada)).status === 403, 'the role is gone')
      }
    },
  )

  test('explain shows what was granted to whom it is asked about, and to nobody else', async () => {
    await using gate = await startGate(routes())
    await ask(gate, await person(gate, 'ada'))
    const [request] = (await listed(gate)).requests
    await requests(gate, 'grant', request?.id ?? '', '--for', '1h')
    const explained = await runOn(gate, runExplain, ['http://app.test/', '--as', 'sub=ada'])
    expect([explained.code, explained.out]).toEqual([0, expect.stringMatching(/granted +family, until 20/)])
    const other = await runOn(gate, runExplain, ['http://app.test/', '--as', 'sub=bob', '--json'])
    expect([other.code, JSON.parse(other.out).granted]).toEqual([4, []])
  })

  test('the command lists, and says what it cannot do', async () => {
    await using gate = await startGate(routes())
    expect((await requests(gate, 'list')).out).toContain('There are no requests')
    await ask(gate, await person(gate, 'ada'), { text: 'please' })
    const { out } = await requests(gate, 'list')
    expect(out).toMatch(/ADA .*ada.* family .*please/)
    for (const argv of [['grant', 'x'], ['grant', 'x', '--for', 'soon'], ['grant'], ['give', 'x'], ['list', 'x']]) {
      expect([argv, (await requests(gate, ...argv)).code]).toEqual([argv, 2])
    }
    for (const argv of [
      ['grant', 'x', '--for', '1h'],
      ['deny', 'x'],
      ['revoke', 'x'],
    ]) {
      expect([argv, (await requests(gate, ...argv)).code]).toEqual([argv, 1])
    }
  })

  test('a program gets no form, and is told the role as before', async () => {
    await using gate = await startGate(routes())
    const { cookie } = await person(gate, 'ada')
    const answer = await fetchFrom(gate, '/', { host: 'app.test', cookie, accept: 'application/json' })
    expect(await answer.json()).toMatchObject({ status: 403, needed: ['family'] })
  })
})

describe('the webhook', () => {
  test('is told of a request, without any secret, and is asked again where it does not take it', async () => {
    const told: { readonly body: unknown; readonly fields: Headers }[] = []
    using hook = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        told.push({ body: await request.json(), fields: request.headers })
        return new Response(null, { status: told.length === 1 ? 503 : 204 })
      },
    })
    const address = `http://127.0.0.1:${hook.port}/hook?key=of-the-file`
    await using gate = await startGate(routes(`requests = { webhook = "${address}" }`))
    const ada = await person(gate, 'ada')
    expect(await ask(gate, ada, { text: 'hello' })).toBe(303)
    await eventually(() => told.length === 2, 'it is told again')
    const [{ id } = { id: '' }] = (await listed(gate)).requests
    expect(told[1]?.body).toEqual({
      event: 'access.requested',
      portal: 'home',
      title: 'Sallyport',
      id,
      name: 'ADA',
      provider: expect.any(String),
      subject: 'ada',
      role: 'family',
      route: 'app.test/',
      text: 'hello',
      at: expect.any(String),
      review: `http://${AUTH}/.sallyport/admin#requests`,
    })
    expect(told[1]?.fields.get('cookie')).toBe(null)
    expect(gate.log.join('\n')).not.toContain('of-the-file')
    // The same once more is no request, and nobody is told.
    await ask(gate, ada)
    expect(told).toHaveLength(2)
  })

  test('is told by the outgoing proxy, where the file names one', async () => {
    await using proxy = await startOutgoingProxy({ hosts: {} })
    const toml = routes('requests = { webhook = "https://hook.outside.test/told" }')
    const server = `outgoing = { proxy = "http://127.0.0.1:${proxy.port}" }`
    await using gate = await startGate(toml, { server })
    expect(await ask(gate, await person(gate, 'ada'))).toBe(303)
    await eventually(() => proxy.asked.includes('CONNECT hook.outside.test:443'), 'the proxy is asked')
  })

  test('that does not answer keeps nobody waiting', async () => {
    using hook = Bun.listen({ port: 0, hostname: '127.0.0.1', socket: { data() {} } })
    await using gate = await startGate(routes(`requests = { webhook = "http://127.0.0.1:${hook.port}/" }`))
    expect(await ask(gate, await person(gate, 'ada'))).toBe(303)
    expect((await listed(gate)).requests).toHaveLength(1)
    hook.stop(true)
  })
})
