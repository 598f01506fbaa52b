import { createHash } from 'node:crypto'
import { plant } from '../log/planted.ts'

/** Somebody at GitHub, with what is theirs at each endpoint. */
export interface GithubUser {
  readonly user: Readonly<Record<string, unknown>>
  readonly emails?: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[]
  readonly orgs?: readonly string[]
  /** `org/team`. */
  readonly teams?: readonly string[]
}

/** Somebody at Discord. */
export interface DiscordUser {
  readonly user: Readonly<Record<string, unknown>>
  readonly guilds?: readonly string[]
}

/** One that speaks OAuth 2.0 without OpenID Connect. Its person and ways may be changed while it runs. */
export interface OAuth2StandIn extends AsyncDisposable {
  readonly origin: string
  readonly clientId: string
  readonly clientSecret: string
  /** Lines of a provider's table: where it is. */
  readonly endpoints: string
  /** Who signs in, without a word. */
  person: GithubUser | DiscordUser
  /** Answers in place of the right ones, by path. */
  readonly instead: Map<string, (request: Request) => Response>
  /** Laid over the parameters with which a browser comes back; undefined removes one. */
  answer: Readonly<Record<string, string | undefined>>
  /** Whether codes are redeemed for a refresh token too, as by a GitHub App, or Discord. */
  givesRefreshTokens: boolean
  readonly asked: {
    readonly path: string
    readonly query: URLSearchParams
    readonly fields: Headers
    readonly form: URLSearchParams
  }[]
  /** A code as the authorization endpoint makes one. */
  issueCode(challenge: string, scope: string): string
}

const CLIENT = { clientId: 'Iv1.8a61f9b3a7aba766', clientSecret: 'a-secret-of-a-client-of-github' }

/**
 * GitHub or Discord, as their public documents describe them: GitHub's token endpoint says no with 200, and answers with a form where
 * JSON was not asked for.
 */
export function startOAuth2(kind: 'github' | 'discord', person: GithubUser | DiscordUser): OAuth2StandIn {
  plant(CLIENT.clientSecret, 'secret of a client')
  const codes = new Map<string, { readonly challenge: string; readonly scope: string }>()
  const tokens = new Map<string, string>()
  const refreshTokens = new Map<string, string>()
  const secret = (prefix: string) => {
    const value = `${prefix}${crypto.randomUUID()}`
    plant(value, 'token of a provider')
    return value
  }

  function issueCode(challenge: string, scope: string): string {
    const code = secret('code-')
    codes.set(code, { challenge, scope })
    return code
  }

  function authorize(query: URLSearchParams): Response {
    const back = new URL(query.get('redirect_uri') ?? '')
    back.searchParams.set('code', issueCode(query.get('code_challenge') ?? '', query.get('scope') ?? ''))
    back.searchParams.set('state', query.get('state') ?? '')
    for (const [name, value] of Object.entries(standIn.answer)) {
      if (value === undefined) back.searchParams.delete(name)
      else back.searchParams.set(name, value)
    }
    return Response.redirect(back.href, 302)
  }

  function refuse(word: string, description: string, status: number): Response {
    const body = {
      error: word,
      error_description: description,
      ...(kind === 'github' ? { error_uri: 'https://docs.github.com/' } : {}),
    }
    return Response.json(body, { status: kind === 'github' ? 200 : status })
  }

  function token(form: URLSearchParams, fields: Headers): Response {
    if (form.get('client_id') !== CLIENT.clientId || form.get('client_secret') !== CLIENT.clientSecret) {
      return kind === 'github'
        ? refuse('incorrect_client_credentials', 'The client_id and/or client_secret passed are incorrect.', 200)
        : refuse('invalid_client', '', 401)
    }
    const isRefresh = form.get('grant_type') === 'refresh_token'
    const refreshToken = form.get('refresh_token') ?? ''
    const scope = isRefresh ? refreshTokens.get(refreshToken) : redeem(form)
    if (scope === undefined) {
      if (kind === 'discord') return refuse('invalid_grant', 'Invalid "code" in request.', 400)
      return isRefresh
        ? refuse('bad_refresh_token', 'The refresh token passed is incorrect or expired.', 200)
        : refuse('bad_verification_code', 'The code passed is incorrect or expired.', 200)
    }
    refreshTokens.delete(refreshToken)
    const accessToken = secret('gho_')
    tokens.set(accessToken, scope)
    const answer: Record<string, string | number> = { access_token: accessToken, token_type: 'bearer', scope }
    if (standIn.givesRefreshTokens) {
      answer.refresh_token = secret('ghr_')
      refreshTokens.set(String(answer.refresh_token), scope)
      answer.expires_in = 28_800
    }
    if (kind === 'github' && fields.get('accept') !== 'application/json') {
      const form = new URLSearchParams()
      for (const [name, value] of Object.entries(answer)) form.set(name, String(value))
      return new Response(form.toString())
    }
    return Response.json(answer)
  }

  function redeem(form: URLSearchParams): string | undefined {
    const code = form.get('code') ?? ''
    const kept = codes.get(code)
    codes.delete(code)
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    return kept?.challenge === proof ? kept.scope : undefined
  }

  function api(path: string, query: URLSearchParams, fields: Headers): Response {
    const scope = tokens.get(/^Bearer (.+)$/.exec(fields.get('authorization') ?? '')?.[1] ?? '')
    if (scope === undefined) return Response.json({ message: 'Bad credentials' }, { status: 401 })
    const { person } = standIn
    const scopes = scope.split(/[ ,]/)
    const paged = (rows: readonly unknown[]) => {
      const size = Number(query.get('per_page') ?? 30)
      const from = (Number(query.get('page') ?? 1) - 1) * size
      return Response.json(rows.slice(from, from + size))
    }
    const mine = (needed: string, rows: readonly unknown[]) =>
      scopes.includes(needed) ? paged(rows) : Response.json({ message: 'Not Found' }, { status: 404 })
    switch (path) {
      case '/api/user':
        return Response.json(person.user)
      case '/api/user/emails':
        return mine('user:email', 'emails' in person ? (person.emails ?? []) : [])
      case '/api/user/orgs':
        return mine(
          'read:org',
          ('orgs' in person ? (person.orgs ?? []) : []).map(login => ({ login, id: login.length })),
        )
      case '/api/user/teams':
        return mine(
          'read:org',
          ('teams' in person ? (person.teams ?? []) : []).map(name => {
            const [login = '', slug = ''] = name.split('/')
            return { slug, name: slug, organization: { login } }
          }),
        )
      case '/api/user/guilds':
        return mine(
          'guilds',
          ('guilds' in person ? (person.guilds ?? []) : []).map(id => ({ id, name: 'admins' })),
        )
      default:
        return Response.json({ message: 'Not Found' }, { status: 404 })
    }
  }

  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    async fetch(request) {
      const { pathname: path, searchParams: query } = new URL(request.url)
      const form = new URLSearchParams(request.method === 'POST' ? await request.text() : '')
      standIn.asked.push({ path, query, fields: request.headers, form })
      const other = standIn.instead.get(path)
      if (other !== undefined) return other(request)
      if (path === '/authorize') return authorize(query)
      if (path === '/token') return token(form, request.headers)
      return api(path, query, request.headers)
    },
  })
  const origin = `http://127.0.0.1:${server.port}`
  const standIn: OAuth2StandIn = {
    origin,
    ...CLIENT,
    endpoints: `authorization_endpoint = "${origin}/authorize"
token_endpoint = "${origin}/token"
user_endpoint = "${origin}/api/user"`,
    person,
    instead: new Map(),
    answer: {},
    givesRefreshTokens: false,
    asked: [],
    issueCode,
    [Symbol.asyncDispose]: () => server.stop(true),
  }
  return standIn
}
