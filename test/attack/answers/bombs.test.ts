import { afterAll, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { brotliCompressSync } from 'node:zlib'
import { hear } from '../../../src/cli/doctor/http.ts'
import { runHealth } from '../../../src/cli/health.ts'
import { ask } from '../../../src/console/network.ts'
import { visitAuthority } from '../../../src/server/acme/authority/client.ts'
import { makeCertificateKey } from '../../../src/server/acme/authority/csr.ts'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startAsking } from '../../kit/asking.ts'
import { browserAt } from '../../kit/browser/browser-lite.ts'
import { PAGE } from '../../kit/fields.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { refusal } from '../../kit/thrown.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'

/** A few bytes that are 32 MB of JSON to whoever inflates them. */
const BOMB = brotliCompressSync(Buffer.alloc(32 * 1024 * 1024, ' '))
const bomb = (status = 200, type = 'application/json'): Response =>
  new Response(BOMB, { status, headers: { 'content-encoding': 'br', 'content-type': type } })

const keep = untilTheEnd()
const heard: { readonly path: string; readonly encodings: string | null }[] = []
let answer = (_path: string): Response => bomb()
const stand = keep(
  startAnswering(request => {
    const { pathname } = new URL(request.url)
    heard.push({ path: pathname, encodings: request.headers.get('accept-encoding') })
    return answer(pathname)
  }),
)
const at = `http://127.0.0.1:${stand.port}`
const OPEN = routeTo(stand, 'open.example', 'allow = "public"')
const provider = keep(await startBadProvider())
const asking = keep(startAsking())

/** What the platform was told of inflating, by each question to the stand. */
const inflates: unknown[] = []
const really = globalThis.fetch
const spy = spyOn(globalThis, 'fetch').mockImplementation(
  Object.assign((...[address, init]: Parameters<typeof fetch>) => {
    if (String(address).startsWith(at)) inflates.push(Reflect.get(init ?? {}, 'decompress') ?? true)
    return really(address, init)
  }, really),
)
afterAll(() => spy.mockRestore())
beforeEach(() => {
  inflates.length = 0
  heard.length = 0
  answer = () => bomb()
})

/** That something was asked, each time without offering to inflate anything, and without doing it. */
function expectPlain(): void {
  expect([...new Set(inflates)]).toEqual([false])
  expect([...new Set(heard.map(({ encodings }) => encodings))]).toEqual(['identity'])
}

async function answersAsEver(gate: Gate, host: string, status: number): Promise<void> {
  expect((await fetchFrom(gate, '/', { host, ...PAGE })).status).toBe(status)
}

describe('a few bytes that would be megabytes are not inflated, and not read', () => {
  test.each(['discovery', 'token', 'userinfo', 'jwks'] as const)('from a provider: %s', async endpoint => {
    provider.behave({
      signsInAtOnce: true,
      discovery: { userinfo_endpoint: `${provider.issuer}/userinfo` },
      instead: { [endpoint]: () => bomb() },
    })
    await using gate = await startGate(
      providerTable(provider) + portalTable(EVERYONE) + routeForUsers(stand, 'app.example') + OPEN,
    )
    answer = () => new Response('in')
    expect((await browserAt(gate, 'app.example').open('http://app.example/')).text).not.toBe('in')
    expect(gate.log.join('\n')).toContain('is compressed (Content-Encoding: br)')
    await answersAsEver(gate, 'open.example', 200)
    provider.behave({ signsInAtOnce: true })
    if (endpoint !== 'discovery') {
      expect((await browserAt(gate, 'app.example').open('http://app.example/')).text).toBe('in')
    }
  })

  test('from an application that the admin page asks, whose status counts', async () => {
    answer = () => bomb(421, 'text/plain')
    await using gate = await startGate(
      asking.routes('') + routeTo(stand, 'shy.example', 'allow = "public"\nportal = "home"') + OPEN,
    )
    const root = await asking.person(gate, 'root', ['admins'])
    const refused = await fetchFrom(gate, '/', { host: 'shy.example', ...PAGE })
    expect(refused.status).toBe(421)
    await refused.body?.cancel()
    heard.length = 0
    const page = await asking.page(gate, root, 'admin')
    expect(page.text).toContain('The application refuses Host shy.example with 421')
    expectPlain()
    answer = () => new Response('in')
    await answersAsEver(gate, 'open.example', 200)
  })

  test('from an application whose health is checked, whose status counts', async () => {
    answer = path => (path === '/up' ? bomb(503) : new Response('in'))
    const health = `{ to = ["${at}"], health = { path = "/up", interval = "100ms", unhealthy_after = 1 } }`
    await using gate = await startGate(
      `[[routes]]\nhost = "sick.example"\nallow = "public"\nupstream = ${health}\n${OPEN}`,
    )
    await eventually(() => gate.told('is not well', 'status 503').length === 1, 'it is left out')
    heard.splice(0, heard.length, ...heard.filter(({ path }) => path === '/up'))
    expectPlain()
  })

  test('from a webhook, whose status counts', async () => {
    await using gate = await startGate(asking.routes(`requests = { webhook = "${at}/hook" }`) + OPEN)
    await asking.ask(gate, await asking.person(gate, 'ada'), { text: 'please' })
    await eventually(() => heard.length > 0, 'it is told')
    expectPlain()
    answer = () => new Response('in')
    await answersAsEver(gate, 'open.example', 200)
    expect(gate.told('refused a message')).toEqual([])
  })

  test('from a receiver of traces, whose status counts', async () => {
    answer = path => (path === '/v1/traces' ? bomb(500) : new Response('in'))
    await using gate = await startGate(`[telemetry]\nendpoint = "${at}/v1/traces"\n${OPEN}`)
    await answersAsEver(gate, 'open.example', 200)
    await eventually(() => gate.told('Traces cannot be sent', 'the receiver answered 500').length === 1, 'that is said')
    heard.splice(0, heard.length, ...heard.filter(({ path }) => path === '/v1/traces'))
    expectPlain()
  })

  test('from an authority for certificates', async () => {
    const account = {
      directory: `${at}/directory`,
      ca: null,
      email: null,
      externalAccount: null,
      key: makeCertificateKey(),
    }
    const error = await refusal(visitAuthority(account, { ask }))
    expect(String(error)).toContain('is compressed')
    expectPlain()
  })

  test('from a proxy in front that doctor asks', async () => {
    expect(await hear(`${at}/.sallyport/jwks.json`, { ask })).toMatchObject({ status: 200, isKeySet: false })
    expectPlain()
  })

  test('from what answers in place of the admin listener', async () => {
    answer = () => bomb(503, 'text/plain')
    const { code, err } = await runIn('/', io => runHealth([`127.0.0.1:${stand.port}`], io))
    expect(code).toBe(1)
    expect(err).toContain('it answered 503 (what it says is compressed')
    expectPlain()
  })
})

test('what goes on to an application and back is none of this: it stays as it is', async () => {
  await using gate = await startGate(OPEN)
  const passed = await fetchFrom(gate, '/', { host: 'open.example', 'accept-encoding': 'br' })
  expect([passed.headers.get('content-encoding'), heard[0]?.encodings]).toEqual(['br', 'br'])
  await passed.body?.cancel()
})

describe('an answer to a question of ours', () => {
  const asked = (path: string, maxBytes?: number) =>
    ask(at + path, { signal: AbortSignal.timeout(60_000), ...(maxBytes === undefined ? {} : { maxBytes }) })

  test('is as long as was said, or a megabyte, and not a byte longer', async () => {
    answer = path => new Response(Buffer.alloc(Number(path.slice(1)), 'x'))
    expect(await (await asked('/10', 10)).text()).toBe('xxxxxxxxxx')
    const eleven = await asked('/11', 10)
    await expect(eleven.bytes()).rejects.toThrow('is longer than 10 bytes')
    expect((await (await asked(`/${1024 * 1024}`)).bytes()).length).toBe(1024 * 1024)
    const tooLong = await asked(`/${1024 * 1024 + 1}`)
    await expect(tooLong.bytes()).rejects.toThrow('is longer than 1048576 bytes')
  })

  test('has a beginning, though it has no end, and is let go after that', async () => {
    const { promise: letGo, resolve } = Promise.withResolvers<string>()
    answer = () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await Bun.sleep(0)
            controller.enqueue(Buffer.alloc(10_000, 'x'))
          },
          cancel: () => resolve('let go'),
        }),
      )
    expect((await (await asked('/')).beginning(16)).length).toBe(16)
    expect(await letGo).toBe('let go')
  })

  test.each(['gzip', 'br, gzip', 'x-own'])('with Content-Encoding: %s is not read', async coding => {
    answer = () => new Response('{}', { headers: { 'content-encoding': coding } })
    const one = await asked('/')
    expect(one.status).toBe(200)
    await expect(one.text()).rejects.toThrow(`Content-Encoding: ${coding}`)
  })

  test('that calls itself identity is plain', async () => {
    answer = () => new Response('plain', { headers: { 'content-encoding': 'identity' } })
    expect(await (await asked('/')).text()).toBe('plain')
  })

  test('is the one to this question: no redirect is followed', async () => {
    answer = path => (path === '/' ? Response.redirect(`${at}/elsewhere`) : new Response('elsewhere'))
    expect((await asked('/')).status).toBe(302)
    expect(heard.map(({ path }) => path)).toEqual(['/'])
  })
})
