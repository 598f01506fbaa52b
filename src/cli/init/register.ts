/** Registers the gate at a Pocket ID, or says how it is registered by hand. */

import { showUnseen } from '../../base/control-characters.ts'
import { GateError, toGateError } from '../../base/errors.ts'
import type { Io } from '../../console/io.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type ProviderFetch } from '../../identity/http.ts'
import { MARK } from '../../portal/layout/assets.ts'
import { callbackOf, type Plan, placeOf, signedOutOf } from './plan.ts'
import { takeOverQuestion } from './questions.ts'
import type { Init } from './usage.ts'

/** A client at Pocket ID that is ours now. */
export interface RegisteredClient {
  readonly id: string
  /** Null where it existed already, and no secret was issued. */
  readonly secret: string | null
  readonly isTakenOver: boolean
  /** Whether it refuses what a browser's address asks for itself: the file has to say `par`. */
  readonly isPushed: boolean
}

/** What a client is for. */
type Purpose = Pick<Plan, 'portal' | 'host' | 'coming' | 'group' | 'preset'>

/**
 * Creates the client at Pocket ID, for the allowed group if there is one. It takes over a client of the same name if
 * the user agrees. Null where they do not.
 *
 * It creates nothing before it knows that the group exists. Throws `provider.down`, `provider.refused`.
 */
export async function registerClient(
  { ports, reach, flags, asker, hasTerminal, io }: Init,
  issuer: string,
  apiKey: string,
  purpose: Purpose,
): Promise<RegisteredClient | null> {
  const fetchProvider = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reach)
  const api = openPocketId(reach.internalUrl ?? issuer.replace(/\/$/, ''), apiKey, fetchProvider)
  const group = purpose.group === null ? null : await api.findGroup(purpose.group)
  const settings = {
    name: clientName(purpose.host),
    description: `Sallyport signs people in for ${purpose.host}`,
    callback: callbackOf(purpose),
    signedOut: signedOutOf(purpose),
    launch: placeOf(purpose),
    isRestricted: group !== null,
  }
  const found = await api.findClient(settings.name)
  let before: ClientState | null = null
  if (found !== null) {
    const mayAsk = hasTerminal && flags.yes !== true
    if (flags['take-over'] !== true && !mayAsk) {
      throw new GateError('provider.refused', `Pocket ID has a client "${settings.name}" already`, {
        hint: '--take-over uses it: it gets this callback, too, and another secret; or remove it there',
      })
    }
    const said = await asker.answer(
      takeOverQuestion(settings.name, found.callbacks),
      flags['take-over'] === true ? 'yes' : undefined,
    )
    if (said !== 'yes') return null
    before = await api.changeClient(found.id, settings)
  }
  const id = found?.id ?? (await api.makeClient(settings))
  try {
    if (group !== null) await api.allowGroup(id, group)
    const secret = await api.makeSecret(id)
    if (before?.hasLogo !== true) await giveLogo(api, id, io)
    if (before !== null) tell(before, group === null, id, io)
    return { id, secret, isTakenOver: found !== null, isPushed: before?.isPushed === true }
  } catch (thrown) {
    io.stderr(`The client ${id} exists at Pocket ID, and is not finished: continue with --take-over.\n`)
    throw thrown
  }
}

/** A failed logo is no reason to stop: the client works without it. */
async function giveLogo(api: PocketIdApi, id: string, io: Io): Promise<void> {
  try {
    await api.setLogo(id, MARK)
  } catch (thrown) {
    io.stderr(`${showUnseen(toGateError(thrown).message)}\n`)
  }
}

/** Settings of an existing client that `init` did not set. */
function tell({ groups, isPushed, isOld }: ClientState, isForEveryone: boolean, id: string, io: Io): void {
  if (groups !== null && isForEveryone) {
    const whose = groups.length === 0 ? 'no group' : `the groups ${groups.join(', ')}`
    io.stderr(
      `The client ${id} is for ${whose} at Pocket ID, which refuses everybody else before Sallyport sees them.\nhint: open it for everybody there, or name the group with --group\n`,
    )
  }
  if (isPushed && isOld) {
    io.stderr(
      `The client ${id} has to push its requests, so par = "always" is in the file. Pocket ID keeps such a request for 90 seconds: up to 2.9 whoever takes longer to sign in begins again.\nhint: turn that off for this client there, and take par out, unless you need it\n`,
    )
  }
}

/** What a client is to be at Pocket ID. */
interface ClientSettings {
  readonly name: string
  /** Its description, in a line; Pocket ID up to 2.9 keeps none. */
  readonly description: string
  readonly callback: string
  readonly signedOut: string
  readonly launch: string
  /** Whether it is only for members of some groups. */
  readonly isRestricted: boolean
}

/** An existing client. */
interface FoundClient {
  readonly id: string
  readonly callbacks: readonly string[]
}

/** The members of a client at Pocket ID, in addition to those that `init` sets. */
interface ClientState {
  readonly hasLogo: boolean
  /** Whether it refuses what a browser's address asks for itself (RFC 9126). */
  readonly isPushed: boolean
  /** Names of the groups that it is for; null: it is for everybody. */
  readonly groups: readonly string[] | null
  /** Whether this is a Pocket ID up to 2.9, whose clients have no description. */
  readonly isOld: boolean
}

/**
 * Pocket ID's API, as an administrator with an API key uses it. Any act throws `provider.down` where it does not answer, and
 * `provider.refused`, with the reason that it gives, where it does not take the key or what was asked.
 */
interface PocketIdApi {
  /** The id of a group by the name that tokens have; throws `provider.refused`, with the names that there are, for none. */
  findGroup(name: string): Promise<string>
  /** The first client with exactly this name; null for none. */
  findClient(name: string): Promise<FoundClient | null>
  /** Returns the new client's id. A restricted client allows no user before `allowGroup`. */
  makeClient(settings: ClientSettings): Promise<string>
  /** Sets these settings of a client and keeps the others; its present addresses stay, too. */
  changeClient(id: string, settings: ClientSettings): Promise<ClientState>
  /** Shows people this picture, an SVG, beside a client's name. */
  setLogo(id: string, svg: string): Promise<void>
  /** Makes a group the only one that a client is for. */
  allowGroup(id: string, group: string): Promise<void>
  /** A new secret of a client; null where none is given out. Up to 2.13 it takes the place of the one before. */
  makeSecret(id: string): Promise<string | null>
}

/** The longest name that a client may have there. */
const LONGEST_NAME = 50

/** What a client for a host is called, within what a name may have: long hosts lose their middle. */
export function clientName(host: string): string {
  const whole = `Sallyport (${host})`
  if (whole.length <= LONGEST_NAME) return whole
  if (host.length <= LONGEST_NAME) return host
  const half = (LONGEST_NAME - 1) / 2
  return `${host.slice(0, Math.floor(half))}…${host.slice(-Math.ceil(half))}`
}

/** How many are listed per page, and how many pages are read: no installation has more. */
const PAGE_SIZE = 100
const MOST_PAGES = 50

/** `api` is its address, without a slash at the end. */
function openPocketId(api: string, apiKey: string, fetchProvider: ProviderFetch): PocketIdApi {
  const clients = `${api}/api/oidc/clients`
  const addressOf = (id: string) => `${clients}/${encodeURIComponent(id)}`

  async function ask(what: string, address: string, method = 'GET', body?: object): Promise<ApiResponse> {
    const isForm = body instanceof FormData
    const response = await fetchProvider(address, {
      method,
      headers: {
        'x-api-key': apiKey,
        accept: 'application/json',
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    })
    const answer = { what, status: response.status, body: objectOf(await response.json().catch(() => null)) }
    if (answer.status === 401 || (answer.status === 403 && method === 'GET')) {
      throw refusal('does not take this API key', answer, KEY_HINT)
    }
    return answer
  }

  async function done(what: string, address: string, method: string, body?: object): Promise<ApiResponse> {
    const answer = await ask(what, address, method, body)
    if (answer.status < 200 || answer.status > 299) throw refusal(what, answer)
    return answer
  }

  /** All of a list whose names have this in them. */
  async function list(what: string, address: string, search: string): Promise<readonly object[]> {
    const found: object[] = []
    for (let page = 1; page <= MOST_PAGES; page++) {
      const query = new URLSearchParams({
        search,
        'pagination[page]': String(page),
        'pagination[limit]': String(PAGE_SIZE),
      })
      const { body } = await done(what, `${address}?${query}`, 'GET')
      const data: unknown = Reflect.get(body, 'data')
      if (Array.isArray(data)) found.push(...data.map(objectOf))
      if (page >= Number(Reflect.get(objectOf(Reflect.get(body, 'pagination')), 'totalPages') ?? 1)) break
    }
    return found
  }

  return {
    async findGroup(name) {
      const groups = await list('does not list its groups', `${api}/api/user-groups`, name)
      const id = textOf(groups.find(group => textOf(group, 'name') === name) ?? {}, 'id')
      if (id !== null) return id
      const all = await list('does not list its groups', `${api}/api/user-groups`, '')
      const names = all.flatMap(group => printable(textOf(group, 'name') ?? '') || [])
      throw new GateError('provider.refused', `Pocket ID has no group "${name}"`, {
        hint: names.length === 0 ? 'it has none: make it there first' : `it has ${names.join(', ')}`,
      })
    },
    async findClient(name) {
      const there = await list('does not list its clients', clients, name)
      const found = there.find(client => textOf(client, 'name') === name)
      const id = textOf(found ?? {}, 'id')
      return id === null ? null : { id, callbacks: textsOf(found ?? {}, 'callbackURLs').map(printable) }
    },
    async makeClient(settings) {
      const answer = await done('made no client', clients, 'POST', settingsBody(settings, {}))
      const id = textOf(answer.body, 'id')
      if (id === null) throw refusal('made no client', answer)
      return id
    },
    async changeClient(id, settings) {
      const { body } = await done('does not show the client', addressOf(id), 'GET')
      await done('did not change the client', addressOf(id), 'PUT', settingsBody(settings, body))
      return stateOf(body)
    },
    async setLogo(id, svg) {
      const form = new FormData()
      form.set('file', new File([svg], 'logo.svg', { type: 'image/svg+xml' }))
      await done('took no logo', `${addressOf(id)}/logo`, 'POST', form)
    },
    async allowGroup(id, group) {
      const what = 'did not make the client one for the group'
      await done(what, `${addressOf(id)}/allowed-user-groups`, 'PUT', { userGroupIds: [group] })
    },
    async makeSecret(id) {
      // From 2.14 on a client has several; before that there was a place for its only one.
      for (const place of ['secrets', 'secret']) {
        const answer = await ask('gave out no secret', `${addressOf(id)}/${place}`, 'POST', {})
        if (answer.status === 404 || answer.status === 405) continue
        const secret = textOf(answer.body, 'secret')
        if (answer.status > 299 || secret === null) throw refusal('gave out no secret', answer)
        return secret
      }
      return null
    },
  }
}

interface ApiResponse {
  readonly what: string
  readonly status: number
  readonly body: object
}

/** Every setting, since what a change leaves out is as if it had never been set. */
function settingsBody(
  { name, description, callback, signedOut, launch, isRestricted }: ClientSettings,
  before: object,
): object {
  return {
    ...before,
    name,
    description: textOf(before, 'description') ?? description,
    callbackURLs: [...new Set([...textsOf(before, 'callbackURLs'), callback])],
    logoutCallbackURLs: [...new Set([...textsOf(before, 'logoutCallbackURLs'), signedOut])],
    launchURL: launch,
    isPublic: false,
    pkceEnabled: true,
    isGroupRestricted: isRestricted || Reflect.get(before, 'isGroupRestricted') === true,
  }
}

function stateOf(client: object): ClientState {
  const groups: unknown = Reflect.get(client, 'allowedUserGroups')
  const names = Array.isArray(groups) ? groups.map(group => printable(textOf(objectOf(group), 'name') ?? '')) : []
  return {
    hasLogo: Reflect.get(client, 'hasLogo') === true,
    isPushed: Reflect.get(client, 'requiresPushedAuthorizationRequests') === true,
    groups: Reflect.get(client, 'isGroupRestricted') === true ? names.filter(name => name !== '') : null,
    isOld: !('description' in client),
  }
}

const KEY_HINT = 'make one in Pocket ID under Settings, API keys, as an administrator; it may have expired'

/** What went wrong, in its own words where it has some. */
function refusal(what: string, { status, body }: ApiResponse, hint?: string): GateError {
  const word = printable(textOf(body, 'error') ?? '')
  const description = printable(textOf(body, 'error_description') ?? '')
  const said = [word, description].filter(text => text !== '').join(': ')
  return new GateError(
    'provider.refused',
    `Pocket ID ${what}: ${said === '' ? 'it' : `"${said}", it`} answered ${status}`,
    {
      hint: hint ?? 'or make the client by hand, and give its id with --client-id',
    },
  )
}

/** Another program's words, for a terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '').slice(0, 200)
}

function objectOf(raw: unknown): object {
  return typeof raw === 'object' && raw !== null ? raw : {}
}

function textOf(raw: object, name: string): string | null {
  const value: unknown = Reflect.get(raw, name)
  return typeof value === 'string' && value !== '' ? value : null
}

function textsOf(raw: object, name: string): readonly string[] {
  const value: unknown = Reflect.get(raw, name)
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}
