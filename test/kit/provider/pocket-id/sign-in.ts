import { isAllowed, type PocketIdClient, type PocketIdState, type PocketIdUser } from './people.ts'
import type { Asked, Tokens } from './tokens.ts'
import { type Fault, sentence } from './words.ts'

const COOKIE = 'access_token'

/** A browser in which somebody is signed in there. */
interface Here {
  readonly username: string
  readonly atS: number
}

export interface SignInPages {
  /** The answer to one of its pages; null for any other address. */
  answer(request: Request, url: URL): Promise<Response | null>
  /** Keeps what a client has pushed (RFC 9126), and answers the address that stands for it. */
  push(form: URLSearchParams): string
  /** Signs out whoever has this cookie, if it is this person. */
  end(request: Request, sub: string): boolean
}

/**
 * The pages of a sign-in. A passkey is a name in a form.
 *
 * 2.9 is an application in the browser: its page is the same whatever it was asked, and judges afterwards. 2.14 judges before it shows
 * anything, shows what is wrong on a page of its own, and comes back with an error to an address that is registered.
 */
export function createSignInPages(
  state: PocketIdState,
  issuer: string,
  tokens: Tokens,
  nowS: () => number,
): SignInPages {
  const { version } = state
  const here = new Map<string, Here>()
  const pushed = new Map<string, URLSearchParams>()
  const interactions = new Map<string, URLSearchParams>()

  /** What a request comes to once what was pushed is in its place; the fault of one that is not good. */
  function read(query: URLSearchParams): { readonly asked: Asked; readonly client: PocketIdClient } | Fault {
    const client = state.clients.get(query.get('client_id') ?? '')
    if (client === undefined) return 'unknown client'
    const uri = query.get('request_uri')
    const isPushed = uri !== null || !client.requiresPushedAuthorizationRequests
    if (!isPushed && version === '2.9') return 'par required'
    const form = uri === null ? query : pushed.get(uri)
    if (form === undefined) return 'wrong request'
    const redirectUri = form.get('redirect_uri') ?? ''
    const fault = faultOfCallback(client, redirectUri)
    if (fault !== null) return fault
    const asked = {
      client: client.id,
      redirectUri,
      scope: form.get('scope') ?? '',
      nonce: form.get('nonce'),
      challenge: form.get('code_challenge'),
    }
    return isPushed ? { asked, client } : 'par required'
  }

  function back(query: URLSearchParams, redirectUri: string, parameters: Readonly<Record<string, string>>): Response {
    const address = new URL(redirectUri)
    for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value)
    const form = pushed.get(query.get('request_uri') ?? '') ?? query
    address.searchParams.set('state', form.get('state') ?? '')
    address.searchParams.set('iss', issuer)
    return new Response(null, { status: version === '2.9' ? 302 : 303, headers: { location: address.href } })
  }

  /** On to the client with a code, or a page that says why not: 2.9 and 2.14 both keep that to themselves. */
  function grant(query: URLSearchParams, user: PocketIdUser, atS: number): Response {
    const found = read(query)
    if (typeof found === 'string') return failurePage(found)
    if (user.isDisabled) return page('User account is disabled', 403)
    if (!isAllowed(state, user, found.client)) return failurePage('not allowed')
    const code = tokens.issueCode(found.asked, user.sub, atS)
    const answer = back(query, found.asked.redirectUri, { code })
    pushed.delete(query.get('request_uri') ?? '')
    return answer
  }

  function failurePage(fault: Fault): Response {
    const text = sentence(version, fault)
    if (version === '2.9') return page(text, 400)
    return redirect(`/interaction/error?${new URLSearchParams({ error: text })}`)
  }

  /** Who is signed in here and may go on without being asked, as far as the request lets them. */
  function present(
    request: Request,
    query: URLSearchParams,
  ): { readonly user: PocketIdUser; readonly atS: number } | null {
    const form = pushed.get(query.get('request_uri') ?? '') ?? query
    const kept = here.get(cookieOf(request))
    const user = kept === undefined ? undefined : state.users.get(kept.username)
    if (kept === undefined || user === undefined) return null
    if (/\b(?:login|select_account|consent)\b/.test(form.get('prompt') ?? '')) return null
    const maxAge = form.get('max_age')
    const isTooOld = version === '2.14' && maxAge !== null && nowS() - kept.atS > Number(maxAge)
    return isTooOld ? null : { user, atS: kept.atS }
  }

  function authorize(request: Request, url: URL): Response {
    const resumed = interactions.get(url.searchParams.get('interaction') ?? '')
    const query = resumed ?? url.searchParams
    if (version === '2.14') {
      const found = read(query)
      if (found === 'par required') return back(query, query.get('redirect_uri') ?? '', { error: 'error' })
      if (typeof found === 'string') return failurePage(found)
      const who = present(request, query)
      if (who !== null) return grant(query, who.user, who.atS)
      if ((query.get('prompt') ?? '') === 'none') {
        return back(query, found.asked.redirectUri, { error: 'login_required' })
      }
      const id = crypto.randomUUID()
      interactions.set(id, query)
      return redirect(`/interaction?interaction=${id}`)
    }
    const who = present(request, query)
    return who === null ? form(url.pathname + url.search) : grant(query, who.user, who.atS)
  }

  async function submit(request: Request, query: URLSearchParams, again: string): Promise<Response> {
    const sent = new URLSearchParams(await request.text())
    const user = state.users.get(sent.get('login') ?? '')
    if (user === undefined) return form(again, 'Nobody has that name.', 400)
    const atS = nowS()
    const answer = grant(query, user, atS)
    const secret = crypto.randomUUID()
    here.set(secret, { username: user.username, atS })
    answer.headers.append('set-cookie', `${COOKIE}=${secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600`)
    return answer
  }

  return {
    async answer(request, url) {
      if (url.pathname === '/authorize') {
        if (version === '2.9' && request.method === 'POST') {
          return submit(request, url.searchParams, url.pathname + url.search)
        }
        return authorize(request, url)
      }
      if (url.pathname === '/logout') return page('Do you want to sign out?', 200)
      if (version === '2.9') return null
      if (url.pathname === '/interaction/error') return page(url.searchParams.get('error') ?? '', 200)
      if (url.pathname !== '/interaction') return null
      const query = interactions.get(url.searchParams.get('interaction') ?? '')
      if (query === undefined) return page('The interaction session is invalid or has expired.', 400)
      return request.method === 'POST'
        ? submit(request, query, url.pathname + url.search)
        : form(url.pathname + url.search)
    },
    push(pushedForm) {
      const uri = `urn:ietf:params:oauth:request_uri:${crypto.randomUUID()}`
      pushed.set(uri, pushedForm)
      return uri
    },
    end(request, sub) {
      const secret = cookieOf(request)
      const user = state.users.get(here.get(secret)?.username ?? '')
      return user?.sub === sub && here.delete(secret)
    },
  }
}

/** What is wrong with an address to come back to; null where it is registered. */
export function faultOfCallback({ callbackURLs }: PocketIdClient, address: string): Fault | null {
  if (callbackURLs.length === 0 || address === '') return 'no callback'
  return callbackURLs.includes(address) ? null : 'wrong callback'
}

function cookieOf(request: Request): string {
  return new RegExp(`(?:^|; )${COOKIE}=([^;]*)`).exec(request.headers.get('cookie') ?? '')?.[1] ?? ''
}

function redirect(location: string): Response {
  return new Response(null, { status: 302, headers: { location } })
}

function form(action: string, problem = '', status = 200): Response {
  const safe = action.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
  return page(
    `${problem}</p><form method="post" action="${safe}"><label>Login <input name="login" autofocus></label>
<button name="action" value="sign-in">Sign in</button></form><p>`,
    status,
  )
}

function page(html: string, status: number): Response {
  const document = `<!doctype html><html lang="en"><head><title>Pocket ID</title></head><body><h1>Pocket ID</h1><p>${html}</p></body></html>`
  return new Response(document, {
    status,
    headers: { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' },
  })
}
