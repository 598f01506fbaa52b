/**
 * Stands in for gates that no registry of ours has, as they answered when they were recorded: for tests of how the benchmark starts them
 * and signs in to them.
 *
 * Usage: bun other-gates.ts caddy-security run --config FILE … | oauth2-proxy --config FILE | tinyauth
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const [kind = '', ...rest] = process.argv.slice(2)

/** Whose sessions end with their first request: what caddy-security does to who has no role of its portal's own (`authp/…`). */
const isShort = kind === 'caddy-security' && !/allow roles authp\//.test(configured())

if (kind === 'tinyauth') serveTinyauth()
else if (kind === 'caddy-security') {
  serveSigningIn({
    listen: found(/^http:\/\/(\S+) \{/m),
    issuer: found(/base_auth_url (\S+)/),
    upstream: `http://${found(/reverse_proxy (\S+)/)}`,
    callback: '/auth/oauth2/generic/authorization-code-callback',
    start: '/auth/oauth2/generic',
    readsIdToken: true,
  })
} else if (kind === 'oauth2-proxy') {
  serveSigningIn({
    listen: new URL(found(/redirect_url = "([^"]+)"/)).host,
    issuer: found(/oidc_issuer_url = "([^"]+)"/),
    upstream: found(/upstreams = \["([^"]+)\/"\]/),
    callback: '/oauth2/callback',
    start: '/oauth2/start',
    readsIdToken: false,
  })
} else throw new TypeError(`nobody stands in for ${kind}`)

interface Place {
  /** By which browsers come. */
  readonly listen: string
  readonly issuer: string
  readonly upstream: string
  readonly callback: string
  readonly start: string
  /** Whether it reads who somebody is in the ID token alone. */
  readonly readsIdToken: boolean
}

function configured(): string {
  return readFileSync(rest[rest.indexOf('--config') + 1] ?? '', 'utf8')
}

function found(pattern: RegExp): string {
  const match = pattern.exec(configured())?.[1]
  if (match === undefined) throw new Error(`its file has no ${pattern.source}`)
  return match
}

function serveSigningIn({ listen, issuer, upstream, callback, start, readsIdToken }: Place): void {
  const verifier = 'a-verifier-of-as-many-letters-as-it-has-to-have'
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const sessions = new Set<string>()
  const redirect = (location: string, more: Record<string, string> = {}) =>
    new Response(null, { status: 302, headers: { location, ...more } })
  Bun.serve({
    port: Number(listen.split(':')[1]),
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url)
      if (pathname === '/ping') return new Response('OK')
      if (pathname === start) {
        const asked = new URLSearchParams({
          client_id: 'bench',
          response_type: 'code',
          scope: 'openid profile email groups',
          redirect_uri: `http://${listen}${callback}`,
          state: 'state',
          code_challenge: challenge,
          code_challenge_method: 'S256',
        })
        return redirect(`${issuer}/auth?${asked}`)
      }
      if (pathname === callback) {
        const answer = await fetch(`${issuer}/token`, {
          method: 'POST',
          headers: {
            authorization: `Basic ${btoa('bench:benchmark%20secret')}`,
            'content-type': 'application/x-www-form-urlencoded',
          },
          body: new URLSearchParams({
            grant_type: 'authorization_code',
            code: searchParams.get('code') ?? '',
            redirect_uri: `http://${listen}${callback}`,
            code_verifier: verifier,
          }),
        })
        const { id_token = '' } = (await answer.json()) as { readonly id_token?: string }
        const claims = JSON.parse(Buffer.from(id_token.split('.')[1] ?? '', 'base64url').toString() || '{}')
        if (readsIdToken && (claims.email === undefined || claims.groups === undefined)) {
          return new Response('no claims', { status: 400 })
        }
        const session = crypto.randomUUID()
        sessions.add(session)
        return redirect(`http://${listen}/`, { 'set-cookie': `session=${session}; Path=/; HttpOnly` })
      }
      const session = /(?:^|; )session=([^;]+)/.exec(request.headers.get('cookie') ?? '')?.[1] ?? ''
      if (!sessions.has(session)) return redirect(`http://${listen}${start}`)
      if (isShort) sessions.delete(session)
      return fetch(`${upstream}${pathname}`, { decompress: false, redirect: 'manual' })
    },
  })
}

/** What Tinyauth 5.0.7 takes of what the benchmark may say; anything else in the environment ends it. */
function serveTinyauth(): void {
  const known = new Set([
    'TINYAUTH_APPURL',
    'TINYAUTH_SERVER_ADDRESS',
    'TINYAUTH_SERVER_PORT',
    'TINYAUTH_DATABASE_PATH',
    'TINYAUTH_LOG_LEVEL',
    'TINYAUTH_AUTH_USERS',
  ])
  const unknown = Object.keys(process.env).find(name => name.startsWith('TINYAUTH_') && !known.has(name))
  if (unknown !== undefined) {
    console.error(`field not found, node: ${unknown.slice('TINYAUTH_'.length).toLowerCase()}`)
    process.exit(1)
  }
  const [name = '', ...hash] = (process.env.TINYAUTH_AUTH_USERS ?? '').split(':')
  const session = crypto.randomUUID()
  Bun.serve({
    port: Number(process.env.TINYAUTH_SERVER_PORT),
    hostname: process.env.TINYAUTH_SERVER_ADDRESS ?? '',
    async fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/api/user/login') {
        const { username, password } = (await request.json()) as {
          readonly username: string
          readonly password: string
        }
        if (username !== name || !(await Bun.password.verify(password, hash.join(':')))) {
          return Response.json({ status: 401 }, { status: 401 })
        }
        return Response.json({ status: 200 }, { headers: { 'set-cookie': `tinyauth-session=${session}; Path=/` } })
      }
      if (pathname !== '/api/auth/caddy') return new Response('the sign-in page', { status: 200 })
      const isSignedIn = request.headers.get('cookie')?.includes(`tinyauth-session=${session}`) === true
      if (!isSignedIn) return Response.json({ status: 401 }, { status: 401 })
      return Response.json({ status: 200 }, { headers: { 'remote-user': name } })
    },
  })
}
