import { expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { portalWith, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const upstream = keep(startAnswering(() => new Response('in')))
const SPELLINGS = ['/login', '/LOGIN', '/l%6fgin', '/login;x', '/login.', '/login%2fx']

test.each(['client', 'route', 'user'])('a rate by %s holds for every reading of its path', async by => {
  await using gate = await startGate(
    [
      portalWith(''),
      routeTo(upstream, 'app.example', 'portal = "home"\nallow = "public"'),
      routeTo(
        upstream,
        'app.example',
        `path = "/login"\nportal = "home"\nallow = "public"\nrate = { requests = 2, per = "1h", by = "${by}" }`,
      ),
    ].join('\n'),
  )
  const { cookie } = await gate.signIn('app.example')
  const ask = async (path: string) => (await fetchFrom(gate, path, { host: 'app.example', cookie })).status
  const statuses: number[] = []
  for (const path of SPELLINGS) statuses.push(await ask(path))
  expect(statuses).toEqual([200, 200, 429, 429, 429, 429])
  expect(await ask('/other')).toBe(200)
})
