import { describe, expect, test } from 'bun:test'
import { foldFieldName } from '../../../src/config/values/headers.ts'
import { PRESETS } from '../../../src/proxy/fields/names.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { SAYS_HOW, SAYS_WHERE, SAYS_WHO } from '../../kit/stripped-fields.ts'
import { routeTo } from '../../kit/toml.ts'
import { linesOf, rawRequest, sendThrough } from '../../kit/wire/through.ts'
import { httpResponse, startRawUpstream } from '../../kit/wire/wire.ts'

/** Routes that tell their upstream who someone is, and routes that do not, open and closed. */
const HOSTS = {
  told: 'portal = "home"\nallow = ["user"]\nheaders = "x-token"',
  silent: 'portal = "home"\nallow = ["user"]',
  open: 'portal = "home"\nallow = "public"\nheaders = "remote"\ncors_preflight = true',
  plain: 'allow = "public"',
  own: 'portal = "home"\nallow = ["user"]\nheaders = { "X-Who" = "sub", "X-Dept" = "claims.department" }',
  ruled:
    'portal = "home"\nallow = ["user"]\nrequest_headers = { set = { "X-Ruled" = "{sub}" }, append = { "X-Added" = "{sub}" } }',
  preflight: 'portal = "home"\nallow = ["user"]\nheaders = "x-auth-request"\ncors_preflight = true',
} as const

type Host = keyof typeof HOSTS

/** Every field that no client may set, of ours, of other gates and of proxies. */
const NAMES = [
  ...Object.values(PRESETS).flatMap(fields => fields.map(({ name }) => name)),
  ...['x-auth-request-access-token', 'x-who', 'x-dept', 'x-ruled', 'x-added', 'x-sallyport-token'],
  // Via is continued.
  ...[...SAYS_WHO, ...SAYS_WHERE, ...SAYS_HOW].map(foldFieldName).filter(name => name !== 'via'),
]

const cookies = new Map<Host, string>()

const keep = untilTheEnd()
const upstream = keep(await startRawUpstream([httpResponse(200, 'UPSTREAM')]))
const routes = Object.entries(HOSTS).map(([host, rest]) => routeTo(upstream, `${host}.example`, rest))
const gate = keep(await startGate(PORTAL + routes.join('\n')))
for (const host of Object.keys(HOSTS) as Host[]) {
  cookies.set(host, (await gate.signIn(`${host}.example`, { sub: 'bob', name: 'Bob' })).cookie)
}

/** Sends raw field lines to a host; answers the status and the head that the upstream received, null for none. */
async function ask(
  host: Host,
  lines: readonly string[],
  { method = 'GET', isSignedIn = true }: { readonly method?: string; readonly isSignedIn?: boolean } = {},
): Promise<{ readonly status: number; readonly head: string | null }> {
  const fields = isSignedIn ? [`Cookie: ${cookies.get(host)}`, ...lines] : lines
  const raw = rawRequest(`${method} /`, `${host}.example`, fields)
  const { response, received } = await sendThrough(gate.port, upstream, raw)
  return { status: response.status, head: received === '' ? null : received }
}

/** Every way to write a dash that some backend reads as one, in turn. */
const MARKS = ['-', '_', '.', '+', '~', '|', '!', '*', "'", '^', '`', '#', '$', '%', '&']

function spellings(name: string): string[] {
  const marked = MARKS.flatMap(mark => [name.replaceAll('-', mark), name.replace('-', mark)])
  marked.push(`http-${name}`, `HTTP_${name.replaceAll('-', '_')}`, `redirect_${name}`)
  return [...new Set([...marked, ...marked.map(one => one.toUpperCase())])]
}

describe.each(Object.keys(HOSTS) as Host[])('%s: who someone is, said by a client', host => {
  test.each([true, false])('is heard in no spelling (signed in: %p)', async isSignedIn => {
    let reached = 0
    for (const name of NAMES) {
      const lines = spellings(name).map(spelling => `${spelling}: mallory`)
      const { head } = await ask(host, lines, { isSignedIn })
      if (head === null) continue
      reached++
      expect(head).not.toContain('mallory')
    }
    // X-Sallyport-Token names a token: where there is someone to be, one that is nobody's is refused.
    const all = ['open', 'plain'].includes(host) ? NAMES.length : NAMES.length - 1
    expect(reached).toBe(isSignedIn || all === NAMES.length ? all : 0)
  })

  test('is heard of no method, nor of a preflight', async () => {
    const lines = [
      ...NAMES.map(name => `${name}: mallory`),
      'Origin: https://evil.example',
      'Access-Control-Request-Method: GET',
    ]
    for (const method of ['OPTIONS', 'HEAD', 'POST', 'PROPFIND']) {
      for (const isSignedIn of [true, false]) {
        const { head } = await ask(host, [...lines, ...(method === 'POST' ? ['Content-Length: 0'] : [])], {
          method,
          isSignedIn,
        })
        if (head !== null) expect([method, head.includes('mallory')]).toEqual([method, false])
      }
    }
  })
})

test('what the gate says arrives once, whatever a client repeats or Connection names', async () => {
  const forged = [
    'X-Token-Subject: mallory',
    'x-token-subject: mallory',
    'X_TOKEN_SUBJECT: mallory',
    'x-token-subject:',
  ]
  for (const connection of [
    'x-token-subject',
    'X-Token-Subject, x-forwarded-for, x-forwarded-host, x-forwarded-proto, via, forwarded, x-request-id, host, cookie',
    'close, x-token-user-roles, x-token-subject',
    'keep-alive, X_Token_Subject',
  ]) {
    const { head } = await ask('told', [...forged, `Connection: ${connection}`])
    expect([connection, linesOf(head ?? '', 'x-token-subject')]).toEqual([connection, ['x-token-subject: bob']])
    for (const name of ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'via', 'x-request-id'])
      expect([name, linesOf(head ?? '', name).length]).toEqual([name, 1])
  }
})

test('a field is not kept because the claim for it is missing', async () => {
  const { head } = await ask('own', ['X-Dept: board', 'X_Dept: board', 'x.dept: board'])
  expect(head).toContain('x-who: bob')
  // The gate's own random name in Via may have any letters.
  expect(head).not.toMatch(/^[^:\r\n]*dept|board/im)
})

test('names that are no field names end the request, or end before the upstream', async () => {
  for (const name of [
    'X-Token-Subject ',
    'X-Token-Subject\t',
    ' X-Token-Subject',
    'X-Token Subject',
    'X-Token\xa0Subject',
    'X-Token-Subject\xa0',
    'X-Token-Subject\x00',
    'X-Token-Subject\x0b',
    '\xefX-Token-Subject',
    'X-Token-Subj\xe9ct',
    'X-Token-Subject:',
    '"X-Token-Subject"',
    '(X-Token-Subject)',
    '',
  ]) {
    const { head } = await ask('told', [`${name}: mallory`])
    expect([name, head?.includes('mallory') ?? false]).toEqual([name, false])
  }
})

test('a header that folds or hides in another line is refused', async () => {
  for (const lines of [
    ['X-Note: a', ' X-Token-Subject: mallory'],
    ['X-Note: a\rX-Token-Subject: mallory'],
    ['X-Note: a\nX-Token-Subject: mallory'],
    ['X-Note: a\n\nX-Token-Subject: mallory'],
  ]) {
    const { head } = await ask('told', lines)
    expect([lines, linesOf(head ?? '', 'x-token-subject').includes('x-token-subject: mallory')]).toEqual([lines, false])
  }
})

describe('odd claims', () => {
  /** What the upstream is told of someone whose claims are these. */
  async function told(host: Host, claims: Record<string, unknown>, field: string): Promise<string[]> {
    const { cookie } = await gate.signIn(`${host}.example`, { sub: 'eve', ...claims })
    const raw = rawRequest('GET /', `${host}.example`, [`Cookie: ${cookie}`])
    const { received } = await sendThrough(gate.port, upstream, raw)
    expect(received).toStartWith('GET / HTTP/1.1\r\n')
    return linesOf(received, field).map(line => line.slice(field.length + 1).trim())
  }

  test('never begin another line, and never become somebody else', async () => {
    const cases: [sub: string, value: string][] = [
      ['bob\r\nX-Token-User-Roles: admin', 'bob%0D%0AX-Token-User-Roles: admin'],
      [' admin', '%20admin'],
      ['admin ', 'admin%20'],
      ['\tadmin\n', '%09admin%0A'],
      ['admin\0', 'admin%00'],
      ['\u00a0admin', '%C2%A0admin'],
      ['admin\u2028', 'admin%E2%80%A8'],
      ['ad\u0007min', 'ad%07min'],
    ]
    for (const [sub, value] of cases)
      expect([sub, await told('told', { sub }, 'x-token-subject')]).toEqual([sub, [value]])
  })

  test('never add a member to a list', async () => {
    const groups = ['a,admins', ' admins', 'admins\n', 'x\r\nRemote-User: root', '50%2Cadmins']
    expect(await told('open', { groups }, 'remote-groups')).toEqual([
      'a%2Cadmins,%20admins,admins%0A,x%0D%0ARemote-User: root,50%252Cadmins',
    ])
  })

  test('of a wrong type say nothing', async () => {
    const claims = { groups: 'admins', preferred_username: ['root'], email: { toString: 'root' }, name: 7 }
    for (const field of ['remote-user', 'remote-groups', 'remote-email', 'remote-name'])
      expect([field, await told('open', claims, field)]).toEqual([field, []])
  })

  test('of a great length are no field, whatever they hold', async () => {
    const name = `a${' '.repeat(50_000)}b`
    for (let count = 0; count < 5; count++)
      expect(await told('open', { sub: `eve-${count}`, name }, 'remote-name')).toEqual([])
  })
})

test('no health checker, crawler or inner-looking client is let in for what it calls itself', async () => {
  for (const line of [
    'User-Agent: kube-probe/1.31',
    'User-Agent: GoogleHC/1.0',
    'User-Agent: ELB-HealthChecker/2.0',
    'User-Agent: Prometheus/3.0',
    'User-Agent: sallyport-health',
    'X-Health-Check: 1',
    'X-Forwarded-For: 127.0.0.1',
    'X-Sallyport-Internal: 1',
    'Authorization: Basic YWRtaW46YWRtaW4=',
    'Authorization: Bearer null',
  ]) {
    const { status, head } = await ask('told', [line], { isSignedIn: false })
    expect([line, status, head]).toEqual([line, 401, null])
  }
})

describe('a field that trusted_fields names', () => {
  const PROXIED = 'trusted_proxies = ["127.0.0.1"]\ntrusted_fields = ["X-SSL-Client-Verify", "X-Corp-Dn"]'
  const HANDSHAKE = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]
  const SAID = [
    'X-SSL-Client-Verify: SUCCESS',
    'X-Corp-Dn: CN=ada',
    'X-SSL-Client-S-DN: CN=mallory',
    'X_Corp_Dn: CN=mallory',
  ]

  const said = (line: string) => line.slice(line.indexOf(':') + 2)

  async function head(server: string, more: readonly string[]): Promise<string> {
    await using one = await startGate(routeTo(upstream, 'app.example', 'allow = "public"'), { server })
    const { received } = await sendThrough(one.port, upstream, rawRequest('GET /', 'app.example', [...SAID, ...more]))
    return received
  }

  for (const [what, more] of [
    ['a request', []],
    ['a WebSocket', HANDSHAKE],
  ] as const) {
    test(`goes on with ${what} from a trusted proxy, in this spelling alone, and no other field does`, async () => {
      const received = await head(PROXIED, more)
      expect(linesOf(received, 'x-ssl-client-verify').map(said)).toEqual(['SUCCESS'])
      expect(linesOf(received, 'x-corp-dn').map(said)).toEqual(['CN=ada'])
      expect(received).not.toContain('mallory')
    })

    test(`is dropped from ${what} of anyone else`, async () => {
      const received = await head(PROXIED.replace('127.0.0.1', '203.0.113.1'), more)
      expect(received).toContain('GET / HTTP/1.1')
      expect(received).not.toMatch(/SUCCESS|CN=/)
    })
  }
})
