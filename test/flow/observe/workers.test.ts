import { expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { BrowserLite } from '../../kit/browser/browser-lite.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { FROM_SOURCE, freePort, startChild } from '../../kit/programs/child.ts'
import { startProviderFor } from '../../kit/provider/provider.ts'
import { EVERYONE, providerTable, routeForUsers, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('0123456789')))

/** Waits until this throws nothing: a worker that is slow to say its numbers is shown with those from before. */
async function holds(expectation: () => Promise<void>): Promise<void> {
  let why: unknown
  const isMet = () =>
    expectation().then(
      () => true,
      error => {
        why = error
        return false
      },
    )
  await eventually(isMet, () => `this holds: ${why}`)
}

test('numbers add up over workers, and what all share is told once', async () => {
  using folder = temporaryFolder()
  const [port, admin] = [await freePort(), await freePort()]
  const app = `http://app.localhost:${port}`
  await using provider = await startProviderFor([{ sub: 'ada', name: 'Ada' }], `${app}/.sallyport/callback`)
  const toml = `workers = 2
admin = "127.0.0.1:${admin}"
${providerTable(provider)}
[portals.home]
url = "${app}"
providers = ["id"]
${EVERYONE}
${routeForUsers(upstream, 'app.localhost')}
${routeTo(upstream, 'open.example', 'allow = "public"')}`
  await using _child = await startChild({ command: FROM_SOURCE, folder: folder.path, port, toml })
  const read = (path: string) => fetch(`http://127.0.0.1:${admin}${path}`)
  const numbers = async () => {
    const lines = (await (await read('/metrics')).text()).split('\n')
    const value = (series: string) =>
      Number(
        lines
          .find(line => line.startsWith(`${series} `))
          ?.split(' ')
          .at(-1),
      )
    return {
      requests: value('sallyport_requests_total{route="open.example/",class="2xx"}'),
      times: value('sallyport_request_duration_seconds_count{route="open.example/"}'),
      bytes: value('sallyport_response_body_bytes_total{route="open.example/",class="2xx"}'),
      signIns: value('sallyport_sign_ins_total{provider="id",result="completed"}'),
      sessions: value('sallyport_sessions'),
      workers: value('sallyport_workers'),
      ready: value('sallyport_ready'),
      build: lines.filter(line => line.startsWith('sallyport_build_info{') && line.endsWith('} 1')).length,
    }
  }
  const configs = async () => (await (await read('/config')).json()) as { workers: readonly { readonly pid: number }[] }
  const status = async () => (await (await read('/status.json')).json()) as Record<string, unknown>

  const at = { [`app.localhost:${port}`]: `127.0.0.1:${port}` }
  const browser = new BrowserLite({ hosts: at, headers: { connection: 'close' } })
  expect((await browser.signIn(`${app}/`, 'ada')).response.status).toBe(200)
  for (let index = 0; index < 40; index++) {
    const headers = { host: 'open.example', connection: 'close' }
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers, keepalive: false })
    await answer.text()
  }
  const all = {
    requests: 40,
    times: 40,
    bytes: 400,
    signIns: 1,
    sessions: 1,
    workers: 2,
    ready: 1,
    build: 1,
  }
  await holds(async () => expect(await numbers()).toEqual(all))
  await holds(async () =>
    expect(await status()).toMatchObject({
      status: 'ready',
      workers: { total: 2, listening: 2 },
      sessions: { alive: 1 },
      applications: { total: 2, up: 2 },
      upstreams: { total: 1, up: 1, list: [{ state: 'up', in_flight: 0 }] },
      providers: { list: [{ name: 'id', state: 'answers' }] },
    }),
  )

  // Nothing falls while a worker hangs, or is replaced.
  const [first] = (await configs()).workers
  if (first === undefined) throw new TypeError('there are workers')
  process.kill(first.pid, 'SIGSTOP')
  expect(await (await read('/readyz')).text()).toMatch(/^(worker 1: does not answer|1 of 2 workers listen)\n$/)
  expect(await numbers()).toMatchObject({ requests: 40, signIns: 1, ready: 0 })
  process.kill(first.pid, 'SIGKILL')
  await eventually(async () => (await read('/readyz')).status === 200, 'the worker is replaced')
  await holds(async () => expect(await numbers()).toEqual(all))
}, 300_000)
