/** What a client of an MCP server has open ends with what let it open it. */
import { describe, expect, test } from 'bun:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { startMcpServer } from '../../kit/applications/mcp-server.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { portalTable, providerTable, routeTo, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()

/** The two ways in which the protocol goes by HTTP, and where the official server has each. */
const WAYS = {
  streamableHttp: { path: '/mcp', server: keep(await startMcpServer('streamableHttp')) },
  sse: { path: '/sse', server: keep(await startMcpServer('sse')) },
} as const

type Way = keyof typeof WAYS

const ROLES = 'roles.user = { any = true }\nroles.other = { groups = ["others"] }\nurl = "http://auth.test"'
const OPEN = 'allow = ["user"]\nmcp = true'

/** A file with the server on all of its host, and whatever else. */
function file(way: Way, route: string | null, more = ''): string {
  const { server } = WAYS[way]
  const routes = route === null ? '' : routeTo(server, 'tools.test', `portal = "home"\n${route}`)
  const other = routeTo(server, 'other.test', `portal = "home"\n${OPEN}`)
  return [providerTable(SILENT), portalTable(ROLES), other, routes, more].join('\n')
}

/** Hosts of the test are all at the gate. `statuses` tells of each time that the stream was asked for. */
function transportTo(gate: Gate, way: Way, token: string, statuses: number[]): Transport {
  const { path } = WAYS[way]
  const through = async (input: string | URL | Request, init?: RequestInit) => {
    const address = new URL(input instanceof Request ? input.url : input)
    const headers = new Headers(init?.headers)
    headers.set('host', 'tools.test')
    headers.set('authorization', `Bearer ${token}`)
    const answer = await fetch(`http://127.0.0.1:${gate.port}${address.pathname}${address.search}`, {
      ...init,
      headers,
    })
    if ((init?.method ?? 'GET') === 'GET') statuses.push(answer.status)
    return answer
  }
  const own = Object.assign(through, { preconnect: fetch.preconnect })
  const address = new URL(path, 'http://tools.test')
  if (way === 'sse') return new SSEClientTransport(address, { fetch: own, eventSourceInit: { fetch: own } })
  const reconnectionOptions = {
    initialReconnectionDelay: 10,
    maxReconnectionDelay: 10,
    reconnectionDelayGrowFactor: 1,
    maxRetries: 2,
  }
  return new StreamableHTTPClientTransport(address, { fetch: own, reconnectionOptions })
}

/** Sooner than the look at what is open that comes by itself. */
const SOON_MS = 10_000

async function open(gate: Gate, way: Way) {
  const { cookie } = await gate.signIn('auth.test', { sub: 'ada' })
  const granted = new McpClient(gate, 'auth.test')
  await granted.register()
  const resource = 'http://tools.test/'
  const { body } = await granted.redeem(await granted.code(resource, cookie), resource)
  const statuses: number[] = []
  const client = new Client({ name: 'inspector', version: '1' })
  await client.connect(transportTo(gate, way, body.access_token ?? '', statuses))
  await eventually(() => statuses.length > 0, 'the stream is asked for')
  const said = await client.callTool({ name: 'echo', arguments: { message: 'hello' } })
  expect(JSON.stringify(said.content)).toContain('hello')
  expect(statuses).toEqual([200])
  return { client, statuses }
}

/** The way in which a client of the older way comes back takes seconds of its own. */
const SAVES_OF: Readonly<Record<Way, number>> = { streamableHttp: 7, sse: 1 }

describe.each((Object.keys(WAYS) as Way[]).flatMap(way => [[way, 'none'] as const, [way, 'every'] as const]))(
  'a stream by %s, where of bodies %s goes unseen,',
  (way, unseen) => {
    const { path } = WAYS[way]
    const narrower = (where: string) =>
      routeTo(WAYS[way].server, 'tools.test', `portal = "home"\npath = "${where}"\nallow = ["other"]`)

    const saves: readonly (readonly [title: string, next: string])[] = [
      ['takes its tokens no more, and other tokens still', file(way, 'allow = ["user"]\ntokens = true')],
      ['has no role for it any more', file(way, 'allow = ["other"]\nmcp = true')],
      ['takes its tokens from the provider', file(way, 'allow = ["user"]\nmcp = "provider"')],
      ['is gone', file(way, null)],
      ['has a narrower one beside it, for others', file(way, OPEN, narrower(path))],
      ['has an exact one beside it, for others', file(way, OPEN, narrower(`=${path}`))],
      [
        'has one beside it by another reading, for the same people and their tokens',
        file(way, OPEN, routeTo(WAYS[way].server, 'tools.test', `portal = "home"\npath = "/MCP"\n${OPEN}`)),
      ],
    ]
    const ends = 'ends at a save by which its route %s, and does not come back'
    test.each(saves.slice(0, SAVES_OF[way]))(ends, async (_title, next) => {
      await using gate = await startGate(file(way, OPEN), { unseen })
      const { client, statuses } = await open(gate, way)
      gate.save(next)
      expect(gate.server.reload()).toBe('changed')
      await eventually(() => statuses.length > 1, 'it is asked for again', SOON_MS)
      expect(statuses.slice(1).every(status => [400, 401, 403, 404].includes(status))).toBe(true)
      await client.close()
    })

    test('goes on at a save that changes nothing of it', async () => {
      await using gate = await startGate(file(way, OPEN), { unseen })
      const { client, statuses } = await open(gate, way)
      gate.save(file(way, `${OPEN}\nname = "Everything"`, narrower('/elsewhere')))
      expect(gate.server.reload()).toBe('changed')
      const said = await client.callTool({ name: 'echo', arguments: { message: 'still here' } })
      expect([JSON.stringify(said.content).includes('still here'), statuses]).toEqual([true, [200]])
      await client.close()
    })
  },
)
