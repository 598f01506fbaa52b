import { expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { recipe } from '../../kit/programs/recipes.ts'
import { APP, askersOf, forwarded, type Lines, original, PAGE, startAsked } from '../../kit/verify.ts'
import { WEBSOCKET_KEY } from '../../kit/wire/websocket.ts'
import type { WireResponse } from '../../kit/wire/wire.ts'

const keep = untilTheEnd()
/** Behind a proxy on this machine that is trusted. */
const trusting = keep(await startAsked())

const { relayed, toTraefik, toEnvoy, toNginx, cookieOf } = askersOf(() => trusting)

test('who may pass is named in the fields of the route, whatever the request says in them', async () => {
  const cookie = await cookieOf(['admins'])
  const forged = ['X-Token-Subject: root', 'X-Token-User-Roles: root']
  for (const answer of [
    await relayed(forwarded('/admin/x', [cookie, ...forged])),
    await toNginx(original('/admin/x', [cookie, ...forged])),
  ]) {
    expect([answer.status, answer.field('x-token-subject'), answer.field('x-token-user-roles')]).toEqual([
      204,
      'ada',
      'user admin',
    ])
    expect(answer.raw.toString('latin1')).not.toContain('root')
    expect(answer.field('cookie')).toBe('')
    expect(answer.field('cache-control')).toBe('no-store')
  }
})

test('where nobody is known every field is there and empty, so that a proxy that copies it writes over what its client sent', async () => {
  const answer = await relayed(
    forwarded('/open/x', ['X-Token-Subject: root', 'Cookie: a=b; sallyport=junk; c=d', 'Authorization: Basic YTpi']),
  )
  expect(answer.status).toBe(204)
  const names = ['x-token-subject', 'x-token-user-name', 'x-token-user-email', 'x-token-user-roles']
  expect(names.map(name => answer.field(name))).toEqual(['', '', '', ''])
  expect(answer.field('cookie')).toBe('a=b; c=d')
  expect(answer.field('authorization')).toBe('Basic YTpi')
})

test.each(['X_Token_Subject', 'x.token.subject', 'X-Token_User-Roles', 'X~Token~User~Name'])(
  '%s, which an application may take for a field about who is there, is refused on every route',
  async name => {
    const cookie = await cookieOf(['admins'])
    for (const lines of [[cookie, `${name}: root`], [`${name}: root`]]) {
      for (const uri of ['/open', '/admin']) {
        for (const ask of [relayed, toTraefik, toEnvoy]) expect((await ask(forwarded(uri, lines))).status).toBe(400)
        expect((await toNginx(original(uri, lines))).status).toBe(403)
      }
    }
  },
)

test('what another gate would write is refused, since the proxy in front passes it on', async () => {
  const cookie = await cookieOf()
  const names = [
    'X-Authentik-Username',
    'x_pomerium.claim_email',
    'X-Forwarded-User',
    'Remote-User',
    'X-SSL-Client-S-DN',
  ]
  for (const name of names) {
    expect([name, (await relayed(forwarded('/', [cookie, `${name}: mallory`]))).status]).toEqual([name, 400])
    expect([name, (await toNginx(original('/', [cookie, `${name}: mallory`]))).status]).toEqual([name, 403])
  }
  // What the nginx ingress of Kubernetes says of its own accord, and a credential that an application asks for.
  for (const line of ['X-Auth-Request-Redirect: /x', 'X-Auth-Token: secret']) {
    expect([line, (await toNginx(original('/', [cookie, line]))).status]).toEqual([line, 204])
  }
})

test('what other frameworks read the path in says the path that is asked about, or is refused', async () => {
  const names = ['X-Original-URL', 'X-Original-URI', 'X-Original-Path', 'X-Forwarded-Path', 'X-Envoy-Original-Path']
  for (const name of names) {
    for (const value of ['/open', '/', 'http://app.example/open', '/admin/x?a=2', 'open', '/open/x, /open/x?a=1']) {
      const asked = await relayed(forwarded('/open/x?a=1', [`${name}: ${value}`]))
      expect([name, value, asked.status]).toEqual([name, value, 400])
    }
    for (const value of ['/open/x?a=1', '/open/x', 'https://app.example/open/x?a=1', '']) {
      const asked = await relayed(forwarded('/open/x?a=1', [`${name}: ${value}`]))
      expect([name, value, asked.status]).toEqual([name, value, 204])
    }
    const odd = name.replaceAll('-', '_')
    expect([odd, (await relayed(forwarded('/open/x', [`${odd}: /open/x`]))).status]).toEqual([odd, 400])
  }
  expect((await toNginx(original('/open/x', ['X-Forwarded-Uri: /admin']))).status).toBe(403)
  for (const name of ['Transfer_encoding', 'Transfer.Encoding', 'Content_Length', 'Content_Type']) {
    expect([name, (await relayed(forwarded('/open/x', [`${name}: chunked`]))).status]).toEqual([name, 400])
  }
})

test.each(['SCRIPT_NAME', 'X-Script-Name', 'Path_Info', 'X-Rewrite-URL'])(
  'what makes another path of the one that is asked about is refused: %s',
  async name => {
    expect((await relayed(forwarded('/open/admin', [`${name}: /open`]))).status).toBe(400)
    expect((await toNginx(original('/open/admin', [`${name}: /open`]))).status).toBe(403)
  },
)

test('what the proxy in front says in trusted_fields is refused in another spelling alone', async () => {
  await using naming = await startAsked('127.0.0.1', 'trusted_fields = ["X-SSL-Client-S-DN"]')
  const asking = askersOf(() => naming)
  expect((await asking.relayed(forwarded('/open', ['X-SSL-Client-S-DN: CN=ada']))).status).toBe(204)
  expect((await asking.relayed(forwarded('/open', ['X_SSL_Client_S_DN: CN=mallory']))).status).toBe(400)
})

test('Traefik is told nothing in empty fields, which it would pass on', async () => {
  const nobody = await toTraefik(forwarded('/open/x', ['X-Token-Subject: root', 'Cookie: sallyport=junk']))
  expect(nobody.status).toBe(204)
  for (const name of ['x-token-subject', 'x-token-user-email', 'cookie', 'authorization'])
    expect(nobody.field(name)).toBeNull()
  const known = await toTraefik(forwarded('/admin', [await cookieOf(['admins']), 'Authorization: Basic YTpi']))
  expect(['x-token-subject', 'authorization', 'cookie'].map(name => known.field(name))).toEqual([
    'ada',
    'Basic YTpi',
    null,
  ])
})

/** What reaches an application, as lower-case names, once a proxy has changed the fields of a request by an answer. */
type Change = (sent: readonly string[], answer: WireResponse) => ReadonlyMap<string, string>

function mapOf(lines: readonly string[]): Map<string, string> {
  return new Map(lines.map(line => [line.split(': ')[0]?.toLowerCase() ?? '', line.slice(line.indexOf(': ') + 2)]))
}

/** ForwardAuth, by the rule of the recipe: what matches is taken off, then copied from the answer. */
const byTraefik: Change = (sent, answer) => {
  const rule = /authResponseHeadersRegex: \(\?i\)(.*)/.exec(recipe('traefik.yaml'))?.[1] ?? ''
  const pattern = new RegExp(rule.replace('remote', 'x[-_.]token'), 'i')
  const kept = [...mapOf(sent)].filter(([name]) => !pattern.test(name))
  return new Map([...kept, ...answer.fields.filter(([name]) => pattern.test(name))])
}

/** External authorization: what the answer names is taken off, what it has is written over. */
const byEnvoy: Change = (sent, answer) => {
  const fields = mapOf(sent)
  for (const name of answer.field('x-envoy-auth-headers-to-remove')?.split(',') ?? []) fields.delete(name)
  for (const [name, value] of answer.fields)
    if (/^(?:x-token-.*|cookie|authorization)$/i.test(name)) fields.set(name.toLowerCase(), value)
  return fields
}

test.each([
  ['Traefik', byTraefik, toTraefik],
  ['Envoy', byEnvoy, toEnvoy],
] as const)(
  'what %s makes of an answer has nothing that its client forged, and nothing empty',
  async (_, change, ask) => {
    const cookie = await cookieOf(['admins'])
    const forged = ['X-Token-Subject: root', 'X-Token-User-Name: root', 'X-Token-User-Roles: root']
    for (const own of [[], ['Cookie: a=b'], [cookie], [`${cookie}; a=b`, 'Authorization: Basic YTpi']]) {
      const sent = [...forged, ...own, 'X-Sallyport-Token: none', 'Accept: text/plain']
      // With a token, a cookie counts for nothing: the question is asked with one or the other.
      const asked = own.includes(cookie) || own.length > 1 ? sent.filter(line => !line.startsWith('X-Sallyport')) : sent
      const made = change(sent, await ask(forwarded('/open', asked)))
      expect(JSON.stringify([...made])).not.toContain('root')
      expect([...made.values()]).not.toContain('')
      expect(made.has('x-sallyport-token')).toBe(false)
      expect(made.get('accept')).toBe('text/plain')
      expect(made.get('cookie') ?? 'a=b').toBe('a=b')
      expect(made.get('x-token-subject')).toBe(own.join().includes('sallyport=') ? 'ada' : undefined)
    }
  },
)

test('Envoy is told which fields of its client to take off', async () => {
  const removed = async (lines: Lines) =>
    (await toEnvoy(forwarded('/open', lines))).field('x-envoy-auth-headers-to-remove')
  expect(await removed(['X-Token-Subject: root', 'Cookie: a=b'])).toBe(
    'authorization,x-token-subject,x-token-user-name,x-token-user-email,x-token-user-roles,x-token-provider,x-sallyport-token',
  )
  expect(await removed([await cookieOf(['admins']), 'Authorization: Basic YTpi'])).toBe(
    'cookie,x-token-user-name,x-token-user-email,x-token-provider,x-sallyport-token',
  )
})

test('a name in other letters arrives as UTF-8, and no control character leaves', async () => {
  const { cookie } = await trusting.signIn(APP, { sub: 'gäst 雪\r\nx-evil: 1', name: 'a\nb' })
  const answer = await relayed(forwarded('/', [`Cookie: ${cookie}`]))
  expect(Buffer.from(answer.field('x-token-subject') ?? '', 'latin1').toString('utf8')).toBe('gäst 雪%0D%0Ax-evil: 1')
  expect(answer.field('x-evil')).toBeNull()
})

test('page loads are sent to sign in where answers are relayed, and nginx is told where', async () => {
  const page = await relayed(forwarded('/deep?q=1', PAGE))
  expect([page.status, page.field('location')]).toEqual([302, `http://${APP}/.sallyport/login?return=%2Fdeep%3Fq%3D1`])
  const status = await toNginx(original('/deep?q=1', PAGE))
  expect([status.status, status.field('location')]).toEqual([401, null])
  expect(status.field('x-sallyport-sign-in')).toBe(`http://${APP}/.sallyport/login?return=%2Fdeep%3Fq%3D1`)
  const program = await toNginx(original('/deep'))
  expect([program.status, program.field('x-sallyport-sign-in')]).toEqual([401, null])
  expect((await relayed(forwarded('/deep'))).status).toBe(401)
  const form = await relayed(forwarded('/deep', PAGE, 'POST'))
  expect(form.status).toBe(401)
})

test('the address to sign in at stays on the host that was asked for', async () => {
  for (const uri of ['//evil.example/x', '/\\evil.example', '/x?return=https://evil.example', '/x#@evil.example']) {
    for (const answer of [await toNginx(original(uri, PAGE)), await relayed(forwarded(uri, PAGE))]) {
      const address = answer.field('x-sallyport-sign-in') ?? answer.field('location')
      if (address === null) expect(answer.status).toBeGreaterThanOrEqual(400)
      else {
        const url = new URL(address, `http://${APP}`)
        expect(url.host).toBe(APP)
        expect(new URL(url.searchParams.get('return') ?? '', `http://${APP}`).host).toBe(APP)
      }
    }
  }
})

test('a WebSocket that a page of another site opens is refused, by the field that no hop drops', async () => {
  const cookie = await cookieOf()
  const handshake = (origin: string) => [cookie, `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`, `Origin: ${origin}`]
  expect((await relayed(forwarded('/', handshake('https://evil.example')))).status).toBe(403)
  expect((await toNginx(original('/', handshake('null')))).status).toBe(403)
  expect((await relayed(forwarded('/', handshake(`http://${APP}`)))).status).toBe(204)
  expect((await relayed(forwarded('/friend', handshake('https://friend.example')))).status).toBe(204)
  const [, ...nobody] = handshake('https://evil.example')
  expect((await relayed(forwarded('/open', nobody))).status).toBe(204)
  expect((await relayed(forwarded('/open', handshake('https://evil.example')))).status).toBe(403)
})

test('an upgrade to another protocol is refused where a proxy in front tells of it, and one to a WebSocket is not', async () => {
  const cookie = await cookieOf()
  for (const name of ['Upgrade', 'X-Original-Upgrade']) {
    for (const value of ['h2c', 'H2C', 'websocket, h2c', 'h2c, websocket', 'TLS/1.0', 'websocket/13']) {
      for (const uri of ['/', '/open']) {
        const lines = [cookie, `${name}: ${value}`]
        for (const ask of [relayed, toTraefik, toEnvoy]) {
          expect([name, value, (await ask(forwarded(uri, lines))).status]).toEqual([name, value, 400])
        }
        expect([name, value, (await toNginx(original(uri, lines))).status]).toEqual([name, value, 403])
      }
    }
    for (const value of ['websocket', 'WebSocket', '']) {
      const lines = [cookie, `${name}: ${value}`, `Origin: http://${APP}`]
      expect([name, value, (await relayed(forwarded('/', lines))).status]).toEqual([name, value, 204])
    }
  }
})

test('which provider vouched is no client’s to say, in the field of any preset: a proxy may not know that it is one to write over', async () => {
  for (const name of ['X-Token-Provider', 'x-forwarded-provider', 'X-Auth-Request-Provider', 'REMOTE-PROVIDER']) {
    for (const value of ['forged', '']) {
      expect([name, (await relayed(forwarded('/open', [`${name}: ${value}`]))).status]).toEqual([name, 400])
    }
  }
  expect((await relayed(forwarded('/open', ['X-Token-Subject: written over']))).status).toBe(204)
})

test('so is one where nobody has to sign in, but not everybody may pass: its page may be open to others', async () => {
  const from = ['X-Forwarded-For: 10.1.2.3', `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`]
  const ask = async (uri: string, origin: string) =>
    (await relayed(forwarded(uri, [...from, `Origin: ${origin}`]))).status
  expect(await ask('/inner', 'http://evil.example')).toBe(403)
  expect(await ask('/inner', `http://${APP}`)).toBe(204)
  expect(await ask('/open', 'http://evil.example')).toBe(204)
})

test('and by a public path that the application may read as that of a route where not everybody may', async () => {
  const from = ['X-Forwarded-For: 10.1.2.3', `Sec-WebSocket-Key: ${WEBSOCKET_KEY}`]
  const ask = async (uri: string, origin: string) =>
    (await relayed(forwarded(uri, [...from, `Origin: ${origin}`], 'GET', 'open.example'))).status
  expect(await ask('/inn%65r', 'http://evil.example')).toBe(403)
  expect(await ask('/inn%65r', 'http://open.example')).toBe(204)
  expect(await ask('/outer', 'http://evil.example')).toBe(204)
})

test('a field that a rule looks at is refused in any spelling but its own, since the proxy in front passes it on', async () => {
  const fields = [await cookieOf(), 'X-Tenant: mine']
  expect((await relayed(forwarded('/told', fields))).status).toBe(204)
  for (const name of ['X_Tenant', 'x.tenant', 'HTTP_X_TENANT']) {
    for (const ask of [relayed, toTraefik, toEnvoy]) {
      expect([name, (await ask(forwarded('/told', [...fields, `${name}: other`]))).status]).toEqual([name, 400])
    }
    expect((await toNginx(original('/told', [...fields, `${name}: other`]))).status).toBe(403)
  }
})
