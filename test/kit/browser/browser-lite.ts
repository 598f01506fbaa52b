import { type HtmlPage, htmlPage } from '../html.ts'
import { plant, plantAddress } from '../log/planted.ts'

/** How a request leaves the browser: by default to the address itself, or where `hosts` says. */
export type Transport = (address: URL, init: RequestInit & { readonly headers: Headers }) => Promise<Response>

export interface BrowserOptions {
  /** Authority in the address → `127.0.0.1:port` that really listens; the Host field keeps the address's own. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Added to every request, as a proxy in front would (x-forwarded-proto, …); an empty one is left out, as by older browsers. */
  readonly headers?: Readonly<Record<string, string>>
  readonly transport?: Transport
  /** Cookies that this browser will not keep, by name. */
  readonly refuses?: (name: string) => boolean
}

/** A browser for which these hosts, by plain HTTP, are all at one port of this machine. */
export function browserAt({ port }: { readonly port: number }, ...hosts: readonly string[]): BrowserLite {
  return new BrowserLite({ hosts: Object.fromEntries(hosts.map(host => [host, `127.0.0.1:${port}`])) })
}

/** An answer and the address that gave it. */
export interface Page {
  readonly address: URL
  readonly response: Response
  readonly text: string
  readonly html: HtmlPage
  /** Addresses that redirected here, in order. */
  readonly trail: readonly string[]
}

/** An answer, read. */
export async function pageOf(address: URL, response: Response, trail: readonly string[] = []): Promise<Page> {
  const text = await response.text()
  return {
    address,
    response,
    text,
    get html() {
      return htmlPage(text)
    },
    trail,
  }
}

interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  readonly isSecure: boolean
  /** Seconds it may live; null: until the browser is closed. */
  readonly maxAgeS: number | null
}

/**
 * Enough of a browser to sign in: cookies by host (host-only, Path, Secure, `__Host-` and its rules, Max-Age), redirects
 * one at a time, forms.
 *
 * Absent on purpose: cookies with Domain, which Sallyport never sets, and Expires.
 */
export class BrowserLite {
  readonly #jars = new Map<string, Cookie[]>()
  readonly #options: BrowserOptions

  constructor(options: BrowserOptions = {}) {
    this.#options = options
  }

  /** One request as a page load, without following anything. */
  async visit(address: string | URL, init: RequestInit = {}): Promise<Response> {
    const url = new URL(address)
    plantAddress(url)
    const headers = new Headers({
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      ...this.#options.headers,
    })
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value)
    for (const [name, value] of [...headers]) if (value === '') headers.delete(name)
    const cookie = this.cookieHeader(url)
    if (cookie !== '') headers.set('cookie', cookie)
    const send = this.#options.transport ?? this.#send
    const response = await send(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) this.#store(url, line)
    return response
  }

  /** A page load with its redirects followed, to wherever they end; throws after 20. */
  async open(address: string | URL, init: RequestInit = {}): Promise<Page> {
    let url = new URL(address)
    let request = init
    const trail: string[] = []
    for (let step = 0; step < 20; step++) {
      const response = await this.visit(url, request)
      const location = response.headers.get('location')
      if (location === null || response.status < 300 || response.status > 399) {
        return pageOf(url, response, trail)
      }
      await response.body?.cancel()
      trail.push(url.href)
      url = new URL(location, url)
      request = {}
    }
    throw new Error(`more than 20 redirects: ${trail.join(' → ')}`)
  }

  /** Sends the page's first form, or the first with a field of this value, with these fields (hidden ones are kept), and follows. */
  submit(page: Page, fields: Readonly<Record<string, string>> = {}, value?: string): Promise<Page> {
    const { action, hidden } = page.html.form(value)
    const body = new URLSearchParams({ ...hidden, ...fields })
    return this.#post(new URL(action ?? page.address, page.address), body.toString(), page.address.origin)
  }

  /** Follows the link that says this; throws where there is none. */
  follow(page: Page, text: string): Promise<Page> {
    const address = page.html.link(text)
    if (address === null) throw new Error(`no link ${text} at ${page.address.href}: ${page.html.text}`)
    return this.open(new URL(address, page.address))
  }

  /** Does what the page's refresh says, without waiting; throws when it names no address. */
  refresh(page: Page): Promise<Page> {
    // It runs no scripts, and so reads what is there for such.
    const pages = [page.html, ...page.html.all('noscript').map(({ lines }) => htmlPage(lines))]
    const [refresh] = pages.flatMap(({ all }) => all('meta[http-equiv="refresh"]'))
    const address = /^\d+;url=(.*)$/.exec(refresh?.attribute('content') ?? '')?.[1]
    if (address === undefined) throw new Error(`no refresh at ${page.address.href}: ${page.html.text}`)
    return this.open(new URL(address, page.address))
  }

  /** Opens an address and signs in at the test provider's form when it appears. */
  async signIn(address: string | URL, login: string): Promise<Page> {
    const page = await this.open(address)
    return page.html.has('input[name="login"]') ? this.submit(page, { login, password: 'x' }) : page
  }

  /** A form's answer; one that a script would send on at once (the provider's own pages have such) is sent on. */
  async #post(action: URL, body: string, origin: string): Promise<Page> {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', origin, 'sec-fetch-site': 'same-origin' }
    const page = await this.open(action, { method: 'POST', body, headers })
    return page.text.includes('document.forms[0].submit()') ? this.submit(page) : page
  }

  cookieHeader(url: URL): string {
    return (this.#jars.get(url.hostname) ?? [])
      .filter(({ path, isSecure }) => reaches(path, url.pathname) && (!isSecure || url.protocol === 'https:'))
      .sort((one, other) => other.path.length - one.path.length)
      .map(cookie => `${cookie.name}=${cookie.value}`)
      .join('; ')
  }

  /** The value of a cookie on a host, or null. */
  cookie(host: string, name: string): string | null {
    return this.#jars.get(host)?.find(cookie => cookie.name === name)?.value ?? null
  }

  /** Seconds that a cookie on a host may live, or null for as long as the browser; throws where there is none. */
  cookieAge(host: string, name: string): number | null {
    const found = this.#jars.get(host)?.find(cookie => cookie.name === name)
    if (found === undefined) throw new Error(`${host} has no cookie ${name}`)
    return found.maxAgeS
  }

  /** A host's cookies whose names begin like this. */
  cookiesLike(host: string, start: string): readonly { readonly name: string; readonly value: string }[] {
    return (this.#jars.get(host) ?? []).filter(({ name }) => name.startsWith(start))
  }

  /** Puts a cookie into the jar, as an attacker with a foothold would. */
  plant(host: string, name: string, value: string, isSecure = false): void {
    this.#put(host, { name, value, path: '/', isSecure, maxAgeS: null })
  }

  forget(host: string, name: string, path?: string): void {
    const kept = (this.#jars.get(host) ?? []).filter(
      cookie => cookie.name !== name || (path !== undefined && cookie.path !== path),
    )
    this.#jars.set(host, kept)
  }

  #store(url: URL, line: string): void {
    const [pair = '', ...attributes] = line.split(';')
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals)
    const given = new Map(
      attributes.map(text => {
        const [key = '', value = ''] = text.trim().split('=')
        return [key.toLowerCase(), value]
      }),
    )
    if (this.#options.refuses?.(name) === true) return
    const path = given.get('path') ?? '/'
    const isSecure = given.has('secure')
    plant(pair.slice(equals + 1), `cookie ${name}`)
    if (isSecure && url.protocol !== 'https:') return
    if (name.startsWith('__Host-') && (!isSecure || path !== '/' || given.has('domain'))) return
    if (Number(given.get('max-age') ?? 1) <= 0) this.forget(url.hostname, name, path)
    else {
      const maxAge = given.get('max-age')
      const maxAgeS = maxAge === undefined ? null : Number(maxAge)
      this.#put(url.hostname, { name, value: pair.slice(equals + 1), path, isSecure, maxAgeS })
    }
  }

  #put(host: string, cookie: Cookie): void {
    this.forget(host, cookie.name, cookie.path)
    this.#jars.get(host)?.push(cookie)
  }

  readonly #send: Transport = (address, init) => {
    const mapped = this.#options.hosts?.[address.host]
    if (mapped === undefined) return fetch(address, { ...init, proxy: false })
    init.headers.set('host', address.host)
    return fetch(`http://${mapped}${address.pathname}${address.search}`, { ...init, proxy: false })
  }
}

/** RFC 6265 §5.1.4. */
function reaches(cookiePath: string, path: string): boolean {
  return path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`)
}
