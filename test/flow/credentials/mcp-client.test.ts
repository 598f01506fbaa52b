import { expect, test } from 'bun:test'
import { type OAuthClientProvider, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import { startMcpServer } from '../../kit/applications/mcp-server.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { plant } from '../../kit/log/planted.ts'
import { REDIRECT } from '../../kit/mcp/client.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { EVERYONE, portalTable, providerTable, routeForUsers, SILENT } from '../../kit/toml.ts'

const keep = untilTheEnd()
const server = keep(await startMcpServer())

const file = (more = '') =>
  [
    providerTable(SILENT),
    portalTable(`${EVERYONE}\nurl = "http://auth.test"`),
    routeForUsers(server, 'tools.test', `path = "/mcp"\nmcp = true\nname = "Everything"\n${more}`),
  ].join('\n')

/** What the official client keeps for itself, and where it would send its person. */
class Memory implements OAuthClientProvider {
  known: OAuthClientInformationMixed | undefined
  kept: OAuthTokens | undefined
  verifier = ''
  sentTo: URL | null = null
  readonly redirectUrl = REDIRECT
  readonly clientMetadata = { client_name: 'Inspector', redirect_uris: [REDIRECT] }
  state = () => 'st'
  clientInformation = () => this.known
  saveClientInformation(information: OAuthClientInformationMixed) {
    this.known = information
  }
  tokens = () => this.kept
  saveTokens(tokens: OAuthTokens) {
    plant(tokens.access_token, 'access token')
    plant(tokens.refresh_token ?? '', 'refresh token')
    this.kept = tokens
  }
  redirectToAuthorization(address: URL) {
    this.sentTo = address
  }
  saveCodeVerifier(verifier: string) {
    this.verifier = verifier
  }
  codeVerifier = () => this.verifier
}

/** Hosts of the test are all at the gate; each exchange is a line. */
function through(gate: Gate, lines: string[]): typeof fetch {
  const own = async (input: string | URL | Request, init?: RequestInit) => {
    const address = new URL(input instanceof Request ? input.url : input)
    const headers = new Headers(init?.headers)
    headers.set('host', address.host)
    const answer = await fetch(`http://127.0.0.1:${gate.port}${address.pathname}${address.search}`, {
      ...init,
      headers,
    })
    lines.push(`${init?.method ?? 'GET'} ${address.origin}${address.pathname} ${answer.status}`)
    return answer
  }
  return Object.assign(own, { preconnect: fetch.preconnect })
}

async function agree(gate: Gate, memory: Memory, cookie: string): Promise<string> {
  const address = memory.sentTo
  if (address === null) throw new Error('the client sent nobody anywhere')
  const fields = { host: address.host, cookie, accept: 'text/html', 'sec-fetch-site': 'same-origin' }
  const to = `http://127.0.0.1:${gate.port}${address.pathname}${address.search}`
  const page = await (await fetch(to, { headers: fields })).text()
  expect(page).toContain('Let Inspector use Everything?')
  const body = new URLSearchParams({ answer: 'allow' })
  const answer = await fetch(to, { method: 'POST', headers: fields, body, redirect: 'manual' })
  const location = new URL(answer.headers.get('location') ?? 'x:')
  expect(location.searchParams.get('state')).toBe('st')
  return location.searchParams.get('code') ?? ''
}

test('the official client comes with an address alone, and goes through to the last tool call', async () => {
  await using gate = await startGate(file())
  const lines: string[] = []
  const memory = new Memory()
  const options = { authProvider: memory, fetch: through(gate, lines) }
  const address = new URL('http://tools.test/mcp')
  const first = new StreamableHTTPClientTransport(address, options)
  await expect(new Client({ name: 'inspector', version: '1' }).connect(first)).rejects.toThrow(UnauthorizedError)
  const { cookie } = await gate.signIn('auth.test', { sub: 'ada' })
  await first.finishAuth(await agree(gate, memory, cookie))

  const client = new Client({ name: 'inspector', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(address, options))
  const { tools } = await client.listTools()
  expect(tools.map(({ name }) => name)).toContain('echo')
  const said = await client.callTool({ name: 'echo', arguments: { message: 'hello' } })
  expect(JSON.stringify(said.content)).toContain('hello')

  // Its access token is over: it comes by the next with its refresh token, and asks nobody.
  memory.kept = { ...memory.kept, access_token: `sp_${'x'.repeat(43)}`, token_type: 'Bearer' }
  memory.sentTo = null
  const sum = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 3 } })
  expect(JSON.stringify(sum.content)).toContain('5')
  expect(memory.sentTo).toBeNull()
  await client.close()

  expect(lines.slice(0, 4)).toEqual([
    'POST http://tools.test/mcp 401',
    'GET http://tools.test/.well-known/oauth-protected-resource/mcp 200',
    'GET http://auth.test/.well-known/oauth-authorization-server 200',
    'POST http://auth.test/.sallyport/register 201',
  ])
  expect(lines.filter(line => line.includes('/token '))).toEqual([
    'POST http://auth.test/.sallyport/token 200',
    'POST http://auth.test/.sallyport/token 200',
  ])
  if (process.env.SHOW === '1') console.log(lines.join('\n'))
}, 300_000)

test('a tool that the route does not name is an error to the official client, and every other one works', async () => {
  await using gate = await startGate(file('tools = { allow = ["echo", "get-s*"] }'))
  const memory = new Memory()
  const options = { authProvider: memory, fetch: through(gate, []) }
  const address = new URL('http://tools.test/mcp')
  const first = new StreamableHTTPClientTransport(address, options)
  await expect(new Client({ name: 'inspector', version: '1' }).connect(first)).rejects.toThrow(UnauthorizedError)
  const { cookie } = await gate.signIn('auth.test', { sub: 'ada' })
  await first.finishAuth(await agree(gate, memory, cookie))
  const client = new Client({ name: 'inspector', version: '1' })
  await client.connect(new StreamableHTTPClientTransport(address, options))
  await expect(client.callTool({ name: 'get-env', arguments: {} })).rejects.toThrow('not open here')
  const said = await client.callTool({ name: 'echo', arguments: { message: 'hello' } })
  expect(JSON.stringify(said.content)).toContain('hello')
  const sum = await client.callTool({ name: 'get-sum', arguments: { a: 2, b: 3 } })
  expect(JSON.stringify(sum.content)).toContain('5')
  await client.close()
}, 300_000)
