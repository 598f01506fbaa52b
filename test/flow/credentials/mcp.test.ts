import { describe, expect, test } from 'bun:test'
import { startAnswering } from '../../kit/applications/answering.ts'
import { startGate } from '../../kit/gate.ts'
import { McpClient } from '../../kit/mcp/client.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { freePort } from '../../kit/programs/child.ts'
import { startBadProvider } from '../../kit/provider/bad-provider.ts'
import { fetchFrom } from '../../kit/requests.ts'
import { EVERYONE, portalTable, providerTable, routeTo } from '../../kit/toml.ts'

const keep = untilTheEnd()
const provider = keep(await startBadProvider())
const upstream = keep(
  startAnswering(() => new Response('here', { headers: { 'access-control-allow-origin': 'https://its-own.example' } })),
)

const route = (path: string, more: string, host = 'app.test') =>
  routeTo(upstream, host, `path = "${path}"\nportal = "home"\nallow = ["user"]\n${more}`)

const file = [
  providerTable(provider, 'access_tokens = {}'),
  portalTable(`${EVERYONE}\nroles.admin = { groups = ["admins"] }\nurl = "http://auth.test"`),
  route('/mcp', 'mcp = true\nname = "Notes"'),
  route('/theirs', 'mcp = "provider"'),
  route('/plain', 'tokens = true'),
  route('/', 'mcp = true', 'root.test'),
  route('/only', 'mcp = true', 'one.test'),
  routeTo(upstream, 'app.test', 'path = "/admin"\nportal = "home"\nallow = ["admin"]\nmcp = "provider"'),
  routeTo(upstream, 'app.test', 'allow = "public"'),
].join('\n')

const gate = keep(await startGate(file))
const RESOURCE = '/.well-known/oauth-protected-resource'

async function metadata(path: string, host = 'app.test') {
  const answer = await fetchFrom(gate, RESOURCE + path, { host, origin: 'https://inspector.example' })
  const body = await answer.text()
  return { status: answer.status, body, answer }
}

describe('RFC 9728: the route of an MCP server', () => {
  test('§3: is described between its host and its path, and names who gives its tokens', async () => {
    const own = await metadata('/mcp')
    expect([own.status, JSON.parse(own.body)]).toEqual([
      200,
      {
        resource: 'http://app.test/mcp',
        authorization_servers: ['http://auth.test'],
        scopes_supported: ['mcp'],
        bearer_methods_supported: ['header'],
        resource_name: 'Notes',
      },
    ])
    expect(own.answer.headers.get('access-control-allow-origin')).toBe('*')
    const theirs = await metadata('/theirs')
    expect(JSON.parse(theirs.body)).toMatchObject({
      resource: 'http://app.test/theirs',
      authorization_servers: [provider.issuer],
    })
  })

  test('at the root too, where a host has one at its root, or one alone; elsewhere that address is the application’s', async () => {
    expect(JSON.parse((await metadata('', 'root.test')).body)).toMatchObject({ resource: 'http://root.test/' })
    expect(JSON.parse((await metadata('', 'one.test')).body)).toMatchObject({ resource: 'http://one.test/only' })
    // Three of them on one host: nobody could tell which is meant.
    expect((await metadata('')).body).toBe('here')
    expect((await metadata('/plain')).body).toBe('here')
    expect((await metadata('/mcp/deeper')).body).toBe('here')
    expect((await metadata('/%6dcp%2f..')).status).not.toBe(500)
  })

  test('§5.1: is told to whoever comes without a token, or with one that is not good, and Bearer alone is asked for', async () => {
    for (const authorization of [undefined, `Bearer sp_${'x'.repeat(43)}`]) {
      const answer = await fetchFrom(
        gate,
        '/mcp',
        { host: 'app.test', accept: 'application/json, text/event-stream', ...(authorization && { authorization }) },
        { method: 'POST', body: '{}' },
      )
      expect(answer.status).toBe(401)
      const error = authorization === undefined ? '' : ', error="invalid_token"'
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer realm="sallyport"${error}, resource_metadata="http://app.test${RESOURCE}/mcp"`,
      )
    }
    const plain = await fetchFrom(gate, '/plain', { host: 'app.test' })
    expect(plain.headers.get('www-authenticate')).not.toContain('resource_metadata')
  })

  test('RFC 6750 §3.1: a token that does not reach so far is told insufficient_scope', async () => {
    const token = await provider.accessToken('http://app.test/admin')
    const answer = await fetchFrom(gate, '/admin', { host: 'app.test', authorization: `Bearer ${token}` })
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      403,
      `Bearer realm="sallyport", error="insufficient_scope", resource_metadata="http://app.test${RESOURCE}/admin"`,
    ])
  })

  test('RFC 8707: takes tokens for its own address, and those of no other route', async () => {
    const status = async (path: string, host: string, audience: string) => {
      const token = await provider.accessToken(audience)
      return (await fetchFrom(gate, path, { host, authorization: `Bearer ${token}` })).status
    }
    expect(await status('/theirs', 'app.test', 'http://app.test/theirs')).toBe(200)
    expect(await status('/theirs', 'app.test', 'http://app.test/mcp')).toBe(401)
    expect(await status('/theirs', 'app.test', 'http://app.test/theirs/')).toBe(401)
    expect(await status('/theirs', 'app.test', 'http://app.test')).toBe(401)
    expect(await status('/', 'root.test', 'http://root.test/')).toBe(200)
    expect(await status('/', 'root.test', 'http://root.test')).toBe(200)
    expect(await status('/', 'root.test', 'http://other.test/')).toBe(401)
  })
})

describe('a port that only Host names', () => {
  const other = 'app.test:9999'

  test('makes no other audience: a token for what another program has there is refused', async () => {
    const status = async (host: string, audience: string) => {
      const token = await provider.accessToken(audience)
      return (await fetchFrom(gate, '/theirs', { host, authorization: `Bearer ${token}` })).status
    }
    expect(await status(other, 'http://app.test:9999/theirs')).toBe(401)
    expect(await status(other, 'http://app.test/theirs')).toBe(200)
    expect(await status('app.test:80', 'http://app.test:80/theirs')).toBe(401)
  })

  test('is in no metadata, and in no address of it', async () => {
    const { body } = await metadata('/mcp', other)
    expect(JSON.parse(body)).toMatchObject({
      resource: 'http://app.test/mcp',
      authorization_servers: ['http://auth.test'],
    })
    const answer = await fetchFrom(gate, '/mcp', { host: other }, { method: 'POST', body: '{}' })
    expect(answer.headers.get('www-authenticate')).toContain(`resource_metadata="http://app.test${RESOURCE}/mcp"`)
  })

  test('counts for nothing in a portal without an address of its own, unless it is listened to', async () => {
    const port = await freePort()
    const theirs = routeTo(
      upstream,
      'app.test',
      'path = "/theirs"\nportal = "home"\nallow = ["user"]\nmcp = "provider"',
    )
    const own = routeTo(upstream, 'app.test', 'path = "/mcp"\nportal = "home"\nallow = ["user"]\nmcp = true')
    const alone = [providerTable(provider, 'access_tokens = {}'), portalTable(EVERYONE), own, theirs].join('\n')
    await using one = await startGate(alone, { listen: `127.0.0.1:${port}` })
    const { cookie } = await one.signIn('app.test')
    for (const [host, resource] of [
      [other, 'http://app.test'],
      ['app.test', 'http://app.test'],
      [`app.test:${port}`, `http://app.test:${port}`],
    ] as const) {
      const described = await fetchFrom(one, `${RESOURCE}/mcp`, { host })
      expect(await described.json()).toMatchObject({ resource: `${resource}/mcp`, authorization_servers: [resource] })
      const token = await provider.accessToken(`http://${host}/theirs`)
      const answer = await fetchFrom(one, '/theirs', { host, authorization: `Bearer ${token}` })
      expect([host, answer.status]).toEqual([host, host === other ? 401 : 200])
      const client = new McpClient(one, host)
      await client.register()
      const asked = await client.ask(client.authorizePath(`http://${host}/mcp`), { cookie, accept: 'text/html' })
      expect([host, asked.status]).toEqual([host, host === other ? 400 : 200])
    }
  })
})

describe('a browser client of an MCP server', () => {
  const asks = { origin: 'https://inspector.example', 'access-control-request-method': 'POST' }

  test('may ask first, of any origin, without credentials; for its metadata too', async () => {
    for (const path of ['/mcp', '/theirs', `${RESOURCE}/mcp`]) {
      const answer = await fetchFrom(gate, path, { host: 'app.test', ...asks }, { method: 'OPTIONS' })
      expect([path, answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([path, 204, '*'])
      expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    }
    const answer = await fetchFrom(gate, '/mcp', { host: 'app.test', ...asks }, { method: 'OPTIONS' })
    expect(answer.headers.get('access-control-allow-headers')).toContain('authorization')
    const plain = await fetchFrom(gate, '/plain', { host: 'app.test', ...asks }, { method: 'OPTIONS' })
    expect(plain.status).toBe(401)
  })

  test('can read answers and refusals, and where its session is named', async () => {
    const token = await provider.accessToken('http://app.test/theirs')
    const fields = { host: 'app.test', origin: asks.origin }
    const answer = await fetchFrom(gate, '/theirs', { ...fields, authorization: `Bearer ${token}` })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe('*')
    expect(answer.headers.get('access-control-expose-headers')).toContain('mcp-session-id')
    const refusal = await fetchFrom(gate, '/theirs', fields)
    expect([refusal.status, refusal.headers.get('access-control-allow-origin')]).toEqual([401, '*'])
    expect(refusal.headers.get('access-control-expose-headers')).toContain('www-authenticate')
    expect(refusal.headers.get('access-control-allow-credentials')).toBeNull()
  })
})
