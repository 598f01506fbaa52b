import { createHash } from 'node:crypto'
import { plant } from '../log/planted.ts'
import { type Fields, fetchFrom, type Listening } from '../requests.ts'

/** Where a client of these tests is sent back to. */
export const REDIRECT = 'http://127.0.0.1:4000/callback'

/** A verifier of PKCE, and its challenge by S256. */
export const VERIFIER = 'v'.repeat(43)
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url')

/** A client of MCP servers that does each step by itself, right or wrong. `auth` is the host of the portal. */
export class McpClient {
  readonly #gate: Listening
  readonly #auth: string
  clientId = ''

  constructor(gate: Listening, auth: string) {
    this.#gate = gate
    this.#auth = auth
  }

  ask(path: string, fields: Fields = {}, init: RequestInit = {}): Promise<Response> {
    return fetchFrom(this.#gate, path, { host: this.#auth, ...fields }, init)
  }

  async register(metadata: object = {}): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const answer = await this.ask(
      '/.sallyport/register',
      { 'content-type': 'application/json' },
      { method: 'POST', body: JSON.stringify({ client_name: 'Inspector', redirect_uris: [REDIRECT], ...metadata }) },
    )
    const body = (await answer.json()) as Record<string, unknown>
    if (typeof body.client_id === 'string') this.clientId = body.client_id
    return { status: answer.status, body }
  }

  /** The address that a person is sent to, with the right parameters, laid over by these; null leaves one out. */
  authorizePath(resource: string, over: Readonly<Record<string, string | null>> = {}): string {
    const right = {
      response_type: 'code',
      client_id: this.clientId,
      redirect_uri: REDIRECT,
      code_challenge: CHALLENGE,
      code_challenge_method: 'S256',
      state: 'st',
      resource,
    }
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries({ ...right, ...over })) if (value !== null) query.set(name, value)
    return `/.sallyport/authorize?${query}`
  }

  /** What a person who has signed in says on the page of that address, by the page's own form. */
  async say(path: string, cookie: string, answer = 'allow', fields: Fields = {}): Promise<Response> {
    return this.ask(
      path,
      { cookie, accept: 'text/html', 'sec-fetch-site': 'same-origin', ...fields },
      { method: 'POST', body: new URLSearchParams({ answer }) },
    )
  }

  /** The code of a person who agrees. */
  async code(resource: string, cookie: string): Promise<string> {
    const answer = await this.say(this.authorizePath(resource), cookie)
    const code = new URL(answer.headers.get('location') ?? 'x:').searchParams.get('code') ?? ''
    plant(code, 'authorization code')
    return code
  }

  async token(form: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly body: Tokens }> {
    const answer = await this.ask('/.sallyport/token', {}, { method: 'POST', body: new URLSearchParams(form) })
    const body = (await answer.json()) as Tokens
    for (const text of [body.access_token, body.refresh_token]) if (text) plant(text, 'token of a client')
    return { status: answer.status, body }
  }

  /** The tokens for a code; `over` is laid over the right form. */
  redeem(code: string, resource: string, over: Readonly<Record<string, string>> = {}) {
    const right = { client_id: this.clientId, redirect_uri: REDIRECT, code_verifier: VERIFIER, resource }
    return this.token({ grant_type: 'authorization_code', code, ...right, ...over })
  }

  refresh(text: string, over: Readonly<Record<string, string>> = {}) {
    return this.token({ grant_type: 'refresh_token', refresh_token: text, client_id: this.clientId, ...over })
  }
}

/** What a token endpoint answers. */
export interface Tokens {
  readonly access_token?: string
  readonly refresh_token?: string
  readonly token_type?: string
  readonly expires_in?: number
  readonly error?: string
}
