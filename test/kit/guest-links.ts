import { runGuests } from '../../src/cli/guests.ts'
import { startStreaming } from './applications/streaming.ts'
import { runOn } from './commands.ts'
import { FORM, PAGE, SCRIPT } from './fields.ts'
import { type Gate, portalWith } from './gate.ts'
import type { Ran } from './io.ts'
import { fetchFrom } from './requests.ts'
import { routeTo } from './toml.ts'

/** A guest link that was made. */
export interface Made {
  readonly link: string
  readonly id: string
  /** The secret in the link. */
  readonly text: string
}

/** One request to a board; by default for its page, as a browser asks for it. */
export interface Asked {
  readonly host?: string
  readonly path?: string
  readonly method?: string
  readonly cookie?: string
  readonly body?: string
  readonly fields?: Readonly<Record<string, string>>
}

/** Someone who is signed in, and the page of their guest links, or of their tokens, as a script reads it. */
export interface Person {
  /** Of the application's host. */
  readonly cookie: string
  /** Of the portal's own, where links are made. */
  readonly pageCookie: string
  send(body: string, fields?: Readonly<Record<string, string>>): Promise<Answer>
  list(): Promise<{
    readonly links: readonly { readonly id: string; readonly name: string }[]
    readonly tokens: readonly { readonly id: string; readonly name: string }[]
  }>
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
  /** What of it came to the application, as text. */
  readonly forwarded: string
}

/** Where people make links. */
export const AUTH = 'auth.test'

/** The form that makes a link for the board. */
export function form(more: Readonly<Record<string, string>> = {}): string {
  const fields = { act: 'create', address: 'http://app.test/board', name: 'Aunt', hours: '24', uses: '2' }
  return new URLSearchParams({ ...fields, ...more }).toString()
}

/** An application that can be shared by guest links, and everything that people and guests do with them. Ends with its scope. */
export function startBoard() {
  /** Every request as the application saw it. */
  const seen: string[] = []
  const upstream = startStreaming(request => {
    seen.push(`${request.method} ${request.url} ${JSON.stringify(request.headers.toJSON())}`)
    return request.headers.get('x-token-subject') ?? 'nobody'
  })

  function routes(links = 'guest_links = { allow = ["admin"], max_uses = 5 }'): string {
    return [portal(links), ...ROUTES.map(([host, more]) => route(host, more))].join('\n')
  }

  /** One route of the application on a host. */
  function route(host: string, more: string): string {
    return routeTo(upstream, host, `name = "Board & more"\nportal = "home"\nheaders = "x-token"\n${more}`)
  }

  /** The same without any link. */
  function routesWithout(): string {
    return routes('')
      .replaceAll(', { guest_link = true }', '')
      .replaceAll('guest_link = true, ', '')
      .replaceAll(', guest_link = true', '')
  }

  function guests(gate: Gate, ...argv: string[]): Promise<Ran> {
    return runOn(gate, runGuests, argv)
  }

  /** A link of an operator's. */
  async function create(gate: Gate, url = 'http://app.test/board', ...more: string[]): Promise<Made> {
    const { code, out, err } = await guests(gate, 'create', '--json', '--name', 'Aunt', '--url', url, ...more)
    if (code !== 0) throw new Error(err)
    const { link, id }: { link: string; id: string } = JSON.parse(out)
    return { link, id, text: new URL(link).searchParams.get('link') ?? '' }
  }

  async function ask(gate: Gate, asked: Asked): Promise<Answer> {
    const { host = 'app.test', path = '/board', method = 'GET', cookie, body, fields = PAGE } = asked
    const before = seen.length
    const headers = { host, ...fields, ...(cookie === undefined ? {} : { cookie }) }
    const answer = await fetchFrom(gate, path, headers, { method, ...(body === undefined ? {} : { body }) })
    return {
      status: answer.status,
      text: await answer.text(),
      headers: answer.headers,
      forwarded: seen.slice(before).join('\n'),
    }
  }

  /** Opens a link as a guest does: answers the cookie, and where the button led. */
  async function open(gate: Gate, { text }: Made, more: Asked = {}) {
    const answer = await ask(gate, {
      path: '/.sallyport/guest',
      method: 'POST',
      body: `link=${text}`,
      fields: FORM,
      ...more,
    })
    const cookie = answer.headers.getSetCookie().find(line => line.startsWith('sallyport-guest-'))
    return { ...answer, cookie: cookie?.split(';', 1)[0] ?? '', line: cookie ?? '' }
  }

  async function person(
    gate: Gate,
    sub: string,
    groups: readonly string[],
    name: 'guests' | 'tokens' = 'guests',
  ): Promise<Person> {
    const claims = { sub, name: sub.toUpperCase(), groups }
    const { cookie } = await gate.signIn('app.test', claims)
    const page = { host: AUTH, path: `/.sallyport/${name}`, cookie: (await gate.signIn(AUTH, claims)).cookie }
    return {
      cookie,
      pageCookie: page.cookie,
      send: (body, fields = SCRIPT) => ask(gate, { ...page, method: 'POST', body, fields }),
      async list() {
        return JSON.parse((await ask(gate, { ...page, fields: { accept: 'application/json' } })).text)
      },
    }
  }

  /** A link that someone makes for themselves; throws where they may not. */
  async function share(by: Person, address: string): Promise<Made> {
    const answer = await by.send(form({ address, uses: '5' }))
    if (answer.status !== 200) throw new Error(answer.text)
    const { link, links }: { link: string; links: readonly { id: string }[] } = JSON.parse(answer.text)
    return { link, id: links[0]?.id ?? '', text: new URL(link).searchParams.get('link') ?? '' }
  }

  return {
    seen,
    routes,
    route,
    share,
    routesWithout,
    guests,
    create,
    ask,
    open,
    person,
    [Symbol.dispose]: () => upstream[Symbol.dispose](),
  }
}

/** The portal of the board; `links` is more of its table. */
export function portal(links: string): string {
  return `${portalWith(`url = "http://${AUTH}"\nadmin_role = "root"\n${links}`)}root = { groups = ["roots"] }\n`
}

const ROUTES: readonly (readonly [host: string, more: string])[] = [
  ['app.test', 'allow = ["user", { guest_link = true }]'],
  ['app.test', 'path = "/admin"\nallow = ["admin", { guest_link = true }]'],
  ['app.test', 'path = "/people"\nallow = "authenticated"'],
  ['app.test', 'path = "/open"\nallow = [{ methods = ["GET"], anonymous = true }]'],
  [
    'app.test',
    'path = "/read"\nallow = [{ guest_link = true, methods = ["GET", "HEAD"] }, { networks = "10.0.0.0/8", guest_link = true }]\ndeny = [{ claims = { banned = true } }]',
  ],
  ['app.test', 'path = "/loose"\nallow = [{ not = { groups = ["interns"] } }]'],
  ['other.test', 'allow = ["user", { guest_link = true }]'],
  ['*.wild.test', 'allow = ["user", { guest_link = true }]'],
]
