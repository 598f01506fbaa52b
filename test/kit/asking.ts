import { runRequests } from '../../src/cli/requests.ts'
import { startStreaming } from './applications/streaming.ts'
import { runOn } from './commands.ts'
import { FORM, PAGE } from './fields.ts'
import { type Gate, portalWith } from './gate.ts'
import type { Ran } from './io.ts'
import { fetchFrom, sendForm } from './requests.ts'
import { routeTo } from './toml.ts'

/** Where people sign in, and admins decide. */
export const AUTH = 'auth.test'

/** What `list --json` says. */
export interface Listed {
  readonly requests: readonly {
    readonly id: string
    readonly role: string
    readonly name: string
    readonly text: string
  }[]
  readonly grants: readonly { readonly id: string; readonly role: string; readonly until: string | null }[]
}

/** Someone who is signed in, at the application's host and at the portal's. */
export interface Asker {
  readonly cookie: string
  readonly pageCookie: string
  readonly sessionId: string
}

/** Applications that let people in by roles, behind a portal where they may ask for these. Ends with its scope. */
export function startAsking() {
  const upstream = startStreaming(request => request.headers.get('x-token-user-roles') ?? 'no roles')

  function routes(requests = 'requests = true'): string {
    const head = portalWith(`url = "http://${AUTH}"\nadmin_role = "admin"\npersonal_tokens = true\n${requests}`)
    const route = (host: string, more: string) =>
      routeTo(upstream, host, `portal = "home"\nheaders = "x-token"\ntokens = true\n${more}`)
    return [
      `${head}family = { groups = ["family"] }\nstaff = { groups = ["staff"] }\nidle = { groups = ["idle"] }\n`,
      route('app.test', 'allow = ["family"]\nname = "The album"'),
      route('app.test', 'path = "/staff"\nallow = ["staff", "admin"]'),
      route('app.test', 'path = "/never"\nallow = ["family"]\ndeny = [{ subjects = ["ada"] }]'),
      route('app.test', 'path = "/root"\nallow = ["admin"]'),
    ].join('\n')
  }

  async function person(gate: Gate, sub: string, groups: readonly string[] = []): Promise<Asker> {
    const claims = { sub, name: sub.toUpperCase(), groups }
    const { cookie, sessionId } = await gate.signIn('app.test', claims)
    return { cookie, sessionId, pageCookie: (await gate.signIn(AUTH, claims)).cookie }
  }

  async function load(gate: Gate, { cookie }: Pick<Asker, 'cookie'>, path = '/') {
    const answer = await fetchFrom(gate, path, { host: 'app.test', cookie, ...PAGE })
    return { status: answer.status, text: await answer.text() }
  }

  /** Sends the form of the refusal's page; answers the status. */
  async function ask(
    gate: Gate,
    { cookie }: Pick<Asker, 'cookie'>,
    form: Readonly<Record<string, string>> = {},
    fields: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const headers = { ...FORM, host: 'app.test', cookie, ...fields }
    const answer = await sendForm(gate, 'ask', headers, { return: '/', role: 'family', text: '', ...form })
    await answer.body?.cancel()
    return answer.status
  }

  /** Sends a form of the admin page; answers the status. */
  async function decide(
    gate: Gate,
    { pageCookie }: Pick<Asker, 'pageCookie'>,
    form: Readonly<Record<string, string>>,
    fields: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const answer = await sendForm(gate, 'admin', { ...FORM, host: AUTH, cookie: pageCookie, ...fields }, form)
    await answer.body?.cancel()
    return answer.status
  }

  const requests = (gate: Gate, ...argv: string[]): Promise<Ran> => runOn(gate, runRequests, argv)

  async function listed(gate: Gate): Promise<Listed> {
    const { code, out, err } = await requests(gate, 'list', '--json')
    if (code !== 0) throw new Error(err)
    return JSON.parse(out)
  }

  /** A page of the portal's own, as its text. */
  async function page(gate: Gate, { pageCookie }: Pick<Asker, 'pageCookie'>, name: string) {
    const answer = await fetchFrom(gate, `/.sallyport/${name}`, { host: AUTH, cookie: pageCookie, ...PAGE })
    return { status: answer.status, text: await answer.text() }
  }

  return {
    routes,
    person,
    load,
    ask,
    decide,
    requests,
    listed,
    page,
    [Symbol.dispose]: () => upstream[Symbol.dispose](),
  }
}
