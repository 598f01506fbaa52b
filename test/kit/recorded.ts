import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { type App, startApp } from './applications/app.ts'
import { BrowserLite } from './browser/browser-lite.ts'
import { temporaryFolder } from './folder.ts'
import { type Gate, startGate } from './gate.ts'
import { runIn } from './io.ts'
import { startProvider, type TestAccount, type TestProvider } from './provider/provider.ts'
import { type RolesProvider, startRolesProvider } from './provider/roles-provider.ts'
import { sendRaw, type WireResponse } from './wire/wire.ts'

/** One request to the old program, and what came of it; the words are those of test/recorded/README.md. */
export interface RecordedRow {
  readonly who: string | null
  /** Which of the recording's variants was sent, or which token. */
  readonly as?: string
  readonly method: string
  readonly host?: string
  /** As it was sent, also where that is no clean path. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly verdict: string
  readonly port?: number
  /** Path and query as the application got them. */
  readonly url?: string
  /** What it was told of who is there; `<jwt>` and `<token>` stand for a token. */
  readonly fields?: Readonly<Record<string, string>>
  /** Where the program itself sent the browser; a query that was left out is `?…`. */
  readonly location?: string
}

export type Program = 'caddy-security' | 'oauth2-proxy' | 'oauth2-proxy-7.15'

/** What the old program answered under one configuration. */
export interface Recording {
  readonly program: Program
  readonly name: string
  /** What is imported together: texts by their names. */
  readonly files: Readonly<Record<string, string>>
  /** Flags that the program was started with beside them. */
  readonly flags: readonly string[]
  /** The scheme and the port under which it was asked; no port where that is the scheme's own. */
  readonly scheme: 'http' | 'https'
  readonly port: string
  /** Whether a proxy in front asked it about each request, and forwarded by itself. */
  readonly isAsked: boolean
  /** Who could get a session, by name, or by host and name. */
  readonly signedIn: Readonly<Record<string, boolean>>
  readonly rows: readonly RecordedRow[]
}

/** How an answer of now stands to the recorded one. `changed`: the same one answers, and is told something else, or is led elsewhere. */
type Kind = 'same' | 'changed' | 'closed' | 'opened'

/** One row that does not come out the same. */
export interface Difference {
  readonly kind: Exclude<Kind, 'same'>
  readonly row: RecordedRow
  /** `who METHOD host path: before → now`. */
  readonly what: string
  /** Whether the report says so. */
  readonly isTold: boolean
}

export interface Comparison {
  readonly name: string
  /** The rows that say something of the rules. */
  readonly rows: number
  readonly same: number
  readonly differences: readonly Difference[]
  /** What the report says that is not carried over as it was, and of what: `option: say`. */
  readonly told: readonly string[]
}

/** What has to be there for a recorded configuration: its applications and its providers. */
export interface Surroundings extends AsyncDisposable {
  readonly provider: TestProvider
  /** The one that tells of roles in the access token alone. */
  readonly roles: RolesProvider
  /** By the port in the recording. */
  readonly apps: ReadonlyMap<number, App>
}

const FOLDER = join(import.meta.dir, '../recorded')
const HOST = 'app.example.test'
const SECRET = 's'.repeat(40)
/** How far the ports of the applications of oauth2-proxy 7.15 are from the others. */
const LATER = 300

/** Everybody in the recordings. */
export const PEOPLE: readonly TestAccount[] = [
  person('alice', { email: 'alice@corp.test', email_verified: true, groups: ['users', 'admins'], name: 'Alice A' }),
  person('bob', { email: 'bob@corp.test', email_verified: true, groups: ['users'], name: 'Bob B' }),
  person('dan', { email: 'dan@other.test', email_verified: true, groups: ['guests'], name: 'Dan' }),
  person('eve', { email: 'eve@corp.test', email_verified: false, groups: ['users'], name: 'Eve' }),
  // p08d, where the user name stands for the address, lets her in if she has one; no row shows hers.
  person('carol', { name: '日本 "q"', preferred_username: undefined }),
  person('kay', { email: 'kay@corp.test', email_verified: true, realm_access: { roles: ['admins'] }, name: 'Kay' }),
  // The two of whom the address and the name are of different kinds.
  person('zed', { email: 'zed@corp.test', email_verified: true, preferred_username: 'zed@other.test' }),
  person('yan', { email: 'yan@other.test', email_verified: true, preferred_username: 'yan@corp.test' }),
]
/** What the second provider says in the access token. */
const ACCESS: Readonly<Record<string, object>> = {
  alice: { realm_access: { roles: ['default-roles'] } },
  bob: { realm_access: { roles: ['default-roles'] }, resource_access: { spb: { roles: ['editor'] } } },
  eve: { realm_access: { roles: ['default-roles'] } },
  kay: { realm_access: { roles: ['admins'] } },
}

function person(name: string, claims: Readonly<Record<string, unknown>>): TestAccount {
  return { sub: name, preferred_username: name, ...claims }
}

/** The recordings of a program. Of Caddy that is what it made of the Caddyfile itself. */
export function recordingsOf(program: Program): readonly Recording[] {
  const folder = join(FOLDER, program)
  const names = readdirSync(folder).sort()
  if (program === 'oauth2-proxy-7.15') return names.map(name => caseOf(folder, name))
  return names
    .filter(name => name.endsWith('.json') && !name.endsWith('.adapted.json'))
    .map(file => {
      const name = file.replace(/\.json$/, '')
      const { config, signedIn, rows } = JSON.parse(readFileSync(join(folder, file), 'utf8'))
      const from = program === 'caddy-security' ? `${name}.adapted.json` : config
      const text = withFolders(readFileSync(join(folder, from), 'utf8'), folder)
      const origin = /redirect_url="(\w+):\/\/[^/":]+(?::(\d+))?/.exec(text)
      const scheme = origin?.[1] === 'http' ? 'http' : 'https'
      const files = { [basename(from)]: text }
      return { program, name, files, flags: [], scheme, port: origin?.[2] ?? '', isAsked: false, signedIn, rows }
    })
}

/** A recording that has a folder of its own. */
function caseOf(folder: string, name: string): Recording {
  const own = join(folder, name)
  const read = (file: string) => withFolders(readFileSync(join(own, file), 'utf8'), own)
  const { args, env = {}, variants = [], asked = false } = JSON.parse(read('case.json'))
  const { signedIn, rows } = JSON.parse(read('answers.json'))
  const named = ['oauth2-proxy.cfg', 'alpha.yaml'].filter(file => existsSync(join(own, file)))
  const files = Object.fromEntries(named.map(file => [file, read(file)]))
  const variables = Object.entries(env).map(([key, value]) => `${key}=${value}\n`)
  const sent = new Map<string, Record<string, string>>(
    variants.map((one: { name: string; headers: Record<string, string> }) => [one.name, one.headers]),
  )
  return {
    program: 'oauth2-proxy-7.15',
    name,
    files: variables.length === 0 ? files : { ...files, 'oauth2-proxy.env': variables.join('') },
    flags: args.filter((arg: string, at: number) => arg.includes('=') && at > 0),
    scheme: 'http',
    port: '10020',
    isAsked: asked,
    signedIn,
    rows: rows.map((row: RecordedRow) => ({ ...row, headers: { ...sent.get(row.as ?? ''), ...row.headers } })),
  }
}

function withFolders(text: string, own: string): string {
  return text.replaceAll('{{files}}', join(FOLDER, 'files')).replaceAll('{{dir}}', own)
}

/** The providers and the applications of the recordings, on free ports. */
export async function startSurroundings(): Promise<Surroundings> {
  const client = { client_secret: SECRET, token_endpoint_auth_method: 'client_secret_post' } as const
  const provider = await startProvider({
    clients: [
      { client_id: 'sp', ...client },
      { client_id: 'spb', client_secret: SECRET },
    ],
    accounts: PEOPLE,
    tellsAll: true,
  })
  const roles = await startRolesProvider({ id: 'spb', secret: SECRET }, PEOPLE, sub => ({ ...ACCESS[sub] }))
  const apps = new Map(
    await Promise.all(
      [9710, 9711].map(async port => {
        const app = await startApp(({ url, headers }, response) => {
          response.setHeader('x-received', Buffer.from(JSON.stringify({ url, headers })).toString('base64'))
          response.setHeader('x-application', port).end('here')
        })
        return [port, app] as const
      }),
    ),
  )
  return {
    provider,
    roles,
    apps,
    async [Symbol.asyncDispose]() {
      for (const app of apps.values()) await app.stop()
      await roles[Symbol.asyncDispose]()
      await provider.stop()
    },
  }
}

/** Imports the configuration of a recording, serves what comes of it, and asks every row again. */
export async function askAgain(recording: Recording, surroundings: Surroundings): Promise<Comparison> {
  const { name, rows } = recording
  const made = await importFiles(recording, surroundings)
  await using gate = await serveMade(made)
  const session = openAsking(recording, surroundings, gate)
  const names = new Set(rows.flatMap(({ fields = {} }) => Object.keys(fields)))
  const notes = made.notes.filter(({ outcome }) => outcome !== 'kept')
  const differences: Difference[] = []
  let counted = 0
  let same = 0
  for (const row of rows) {
    const weight = weightOf(row, recording)
    if (weight === 'none') continue
    const response = await session.ask(row)
    const isKnown = row.who === null || hadSession(row, recording)
    const { kind, now, differing } = compare(
      cleanOf(row, rows),
      response,
      isKnown ? names : new Set(),
      session.isSignIn,
    )
    // Who got no session there, and has one now, is no matter of the rules until something opens.
    if (weight === 'openings' && kind !== 'opened') continue
    counted++
    if (kind === 'same') {
      same++
      continue
    }
    const { who, as = '', method, host = HOST, path } = row
    const what = `${who ?? 'nobody'} ${method} ${host} ${path}${as === '' ? '' : ` (${as})`}: ${before(row)} → ${now}`
    differences.push({ kind, row, what, isTold: isTold(row, differing, notes, name) })
  }
  const told = notes.map(({ option, say }) => `${option}: ${say}`)
  return { name, rows: counted, same, differences, told }
}

/** Recorded with a session of one portal alone, though she may sign in at the other one too, as the browsers here do. */
const OTHER_PORTAL = { name: 't07-otherid', who: 'alice', host: 'admin.example.test' } as const

/**
 * What a row says. Where nobody at all got a session, what only asked for one judged nobody. With caddy-security whoever got none was
 * no matter of its rules; oauth2-proxy judges people as they sign in.
 */
function weightOf(row: RecordedRow, recording: Recording): 'all' | 'openings' | 'none' {
  if (recording.name === OTHER_PORTAL.name && row.who === OTHER_PORTAL.who && row.host === OTHER_PORTAL.host)
    return 'none'
  if (row.who === null) return 'all'
  if (!Object.values(recording.signedIn).includes(true) && row.verdict === 'sign in') return 'none'
  return hadSession(row, recording) || recording.program !== 'caddy-security' ? 'all' : 'openings'
}

/** A row that was led to the clean spelling of its path, as what came of that one. */
function cleanOf(row: RecordedRow, rows: readonly RecordedRow[]): RecordedRow {
  if (row.verdict !== 'answer 301' || !row.path.includes('//')) return row
  const path = row.path.replace(/\/{2,}/g, '/')
  const clean = rows.find(
    one => one.path === path && one.who === row.who && one.method === row.method && one.host === row.host,
  )
  return clean ?? row
}

function hadSession({ who, host = HOST }: RecordedRow, { signedIn }: Recording): boolean {
  return signedIn[`${who}`] === true || signedIn[`${host} ${who}`] === true
}

/**
 * What is told without naming the path, host or field of a row: the recording, the paths of the rows, and what the report says. A star
 * is every recording.
 */
const TOLD: readonly (readonly [name: string, path: RegExp, say: RegExp])[] = [
  ['*', /%(?:2f|5c)/i, /held to each route that it may mean/],
  ['n13-mixed', /^\/Silver$/, /\^\/silver in another letter case passes for users whom both routes allow/],
  ['o06-ups', /^\/static\//, /files of a route: for GET and HEAD alone, .* without listings/],
  ['p04-jwt', /^/, /none is taken as the name of HTTP Basic$|tokens of these issuers are refused/],
]

/** Whether the report says what became of a row: a note names its path, a field that differs, or closes its host. */
function isTold(row: RecordedRow, differing: readonly string[], notes: readonly Told[], name: string): boolean {
  const { host, path, headers = {} } = row
  const [first = ''] = path.split(/[?%]/)
  const folder = /^\/[^/]+/.exec(first)?.[0]
  const fields = [...Object.keys(headers), ...differing].map(field => field.toLowerCase())
  return notes.some(({ outcome, option, say }) => {
    const text = `${option}: ${say}`
    return (
      (folder !== undefined && text.includes(folder)) ||
      (host !== undefined && outcome === 'closed' && text.includes(host)) ||
      fields.some(field => text.toLowerCase().includes(field)) ||
      TOLD.some(([of, paths, said]) => (of === '*' || of === name) && paths.test(path) && said.test(text))
    )
  })
}

interface Asking {
  ask(row: RecordedRow): Promise<WireResponse>
  /** Whether this is where people are sent to sign in. */
  isSignIn(location: string): boolean
}

/** Browsers of everybody in a recording, each of which signs in wherever it is asked to. */
function openAsking(recording: Recording, { provider, roles }: Surroundings, gate: Gate): Asking {
  const { scheme, port, rows, isAsked } = recording
  const routes = readFileSync(gate.configPath, 'utf8')
  const hosts = [
    ...new Set([
      ...rows.map(({ host = HOST }) => host),
      ...[...routes.matchAll(/^url = "https?:\/\/([^"/:]+)/gm)].map(([, host = '']) => host),
    ]),
  ]
  const ports = [...new Set(['', port, '9743'])]
  const authorities = hosts.flatMap(host => ports.map(one => (one === '' ? host : `${host}:${one}`)))
  const callbacks = [...routes.matchAll(/callback_path = "([^"]+)"/g)].map(([, path = '']) => path)
  for (const authority of authorities) {
    for (const path of [...callbacks, '/.sallyport/callback']) {
      for (const one of ['http', 'https']) provider.allowRedirect(`${one}://${authority}${path}`)
    }
  }
  const originOf = (host: string) => `${scheme}://${port === '' ? host : `${host}:${port}`}`
  const browsers = new Map<string, Promise<BrowserLite>>()
  const tried = new Set<string>()

  async function open(who: string | null): Promise<BrowserLite> {
    const browser = new BrowserLite({
      hosts: Object.fromEntries(authorities.map(authority => [authority, `127.0.0.1:${gate.port}`])),
    })
    if (who === null) return browser
    for (const host of hosts) await signIn(browser, `${originOf(host)}/.sallyport/login`, who)
    return browser
  }

  async function send(row: RecordedRow, browser: BrowserLite): Promise<WireResponse> {
    const { method, host = HOST, path, headers = {} } = row
    const { host: authority, href } = new URL(originOf(host))
    const { cookie = '', ...others } = { ...headers, ...(await tokenOf(row)) }
    const cookies = [browser.cookieHeader(new URL(href)), cookie].filter(one => one !== '').join('; ')
    const asked = { 'x-forwarded-method': method, 'x-forwarded-uri': path, 'x-forwarded-proto': scheme }
    const fields: Readonly<Record<string, string>> = {
      host: authority,
      ...(isAsked ? { ...asked, 'x-forwarded-host': authority } : {}),
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      connection: 'close',
      ...(cookies === '' ? {} : { cookie: cookies }),
      ...(method === 'GET' || isAsked ? {} : { 'content-length': '0' }),
      ...others,
    }
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
    const start = isAsked ? `GET /.sallyport/verify` : `${method} ${path}`
    return sendRaw(isAsked ? gate.verifyPort : gate.port, `${start} HTTP/1.1\r\n${lines.join('')}\r\n`)
  }

  /** The token that a row came with, made anew: `bearer id spb alice`. */
  async function tokenOf({ as = '' }: RecordedRow): Promise<Readonly<Record<string, string>>> {
    const [kind = '', ...rest] = as.split(' ')
    if (kind !== 'bearer' && kind !== 'basic') return {}
    const words = rest.join(' ')
    const claims = PEOPLE.find(({ sub }) => sub === rest.at(-1)) ?? null
    if (claims === null) return { authorization: 'Bearer nonsense' }
    const token = words.includes('other issuer')
      ? await roles.sign(words.includes('other audience') ? 'yet-other' : 'other-aud', claims)
      : words.startsWith('access')
        ? await provider.idToken('account', claims)
        : await provider.idToken(words.startsWith('id sp ') ? 'sp' : 'spb', claims)
    if (kind === 'bearer') return { authorization: `Bearer ${token}` }
    return { authorization: `Basic ${Buffer.from(`${token}:x-oauth-basic`).toString('base64')}` }
  }

  /** A provider of ours, or a page of the gate's own. */
  const isSignIn = (location: string) =>
    location.includes('/.sallyport/') || [provider, roles].some(({ issuer }) => location.startsWith(issuer))

  return {
    isSignIn,
    async ask(row) {
      const { who, host = HOST, path } = row
      const key = who ?? ''
      const opened = browsers.get(key) ?? open(who)
      browsers.set(key, opened)
      const browser = await opened
      const response = await send(row, browser)
      const location = response.field('location')
      if (who === null || location === null || !isSignIn(location)) return response
      const where = `${who} ${host} ${location.replace(/[?].*/s, '')}`
      if (tried.has(where)) return response
      tried.add(where)
      await signIn(browser, `${originOf(host)}${path}`, who)
      return send(row, browser)
    },
  }
}

/** Opens a page as somebody who signs in where a form asks for it. An address that a browser cannot open leads nobody in. */
async function signIn(browser: BrowserLite, address: string, who: string): Promise<void> {
  const page = await browser.open(address)
  if (page.text.includes('<input name="login"')) await browser.submit(page, { login: who, password: 'x' })
}

/** What import makes of a recorded configuration, served; `change` may change it before that. */
export async function serveImported(
  config: string,
  surroundings: Surroundings,
  change: (routes: string) => string = routes => routes,
): Promise<Gate> {
  const made = await importRecorded(config, surroundings)
  return serveMade({ ...made, routes: change(made.routes) })
}

function importRecorded(config: string, surroundings: Surroundings): Promise<Made> {
  return importFiles({ files: { old: config }, flags: [] }, surroundings)
}

interface Told {
  readonly outcome: string
  readonly option: string
  readonly say: string
}

export interface Made {
  readonly routes: string
  readonly unset: readonly { readonly name: string }[]
  readonly notes: readonly Told[]
}

/** What import makes of the files of a recording, with its applications and providers where they are now. */
function importFiles({ files, flags }: Pick<Recording, 'files' | 'flags'>, now: Surroundings): Promise<Made> {
  const moved = Object.entries(files).map(([name, text]) => [name, movedTo(now, text)] as const)
  return importTexts(Object.fromEntries(moved), flags)
}

/** What import makes of these files together. Throws where the new file is not good. */
export async function importTexts(
  files: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<Made> {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder.path, name), text)
  const behind = flags.length === 0 ? [] : ['--', ...flags]
  const { out, err } = await runIn(folder.path, io => runImport([...Object.keys(files), '--json', ...behind], io))
  if (out === '') throw new Error(`nothing was made of it: ${err}`)
  const made = JSON.parse(out)
  if (made.mistakes.length > 0) throw new Error(`not good: ${JSON.stringify(made.mistakes)}`)
  return made
}

/** A text with the ports of now. */
function movedTo({ provider, roles, apps }: Surroundings, text: string): string {
  const moved = text
    .replaceAll(/http:\/\/127\.0\.0\.1:(?:9700|10000)/g, provider.issuer)
    .replaceAll('http://127.0.0.1:10001', roles.issuer)
  return [...apps].reduce(
    (before, [port, app]) =>
      before.replaceAll(new RegExp(`127\\.0\\.0\\.1:(?:${port}|${port + LATER})\\b`, 'g'), `127.0.0.1:${app.port}`),
    moved,
  )
}

/** The new file, but for where it listens and what it keeps sessions in: a test has its own. */
export function serveMade({ routes, unset }: Made): Promise<Gate> {
  const blocks = routes.trimEnd().split('\n\n')
  const linesOf = (title: string, mine: RegExp) =>
    (blocks.find(block => new RegExp(`^\\[${title}\\]$`, 'm').test(block)) ?? '')
      .split('\n')
      .filter(line => line !== `[${title}]` && !mine.test(line))
      .map(line => line.replace(/^verify = .*/, 'verify = "127.0.0.1:0"'))
      .join('\n')
  const rest = blocks.filter(block => !/^\[(?:server|sessions)\]$/m.test(block))
  return startGate(rest.join('\n\n'), {
    server: linesOf('server', /^(?:listen|admin) = /),
    sessions: linesOf('sessions', /^(?:store|key) = /),
    env: Object.fromEntries(unset.map(({ name }) => [name, standIn(name)])),
  })
}

/** What the recorded files say of what has another value than every secret. */
const FILLED: Readonly<Record<string, string>> = {
  BASIC_AUTH_PASSWORD: 'c2VzYW1l',
  MATCH_X_KEY: 'secret',
  X_REMOTE_SECRET: 'c3VwZXItc2VjcmV0',
}

/** What whoever moves would fill in, without letting anybody in by it. */
function standIn(name: string): string {
  const known = FILLED[name]
  if (known !== undefined) return known
  if (name.endsWith('SECRET')) return SECRET
  if (name === 'APP_HOST') return HOST
  return name === 'PROXY_ADDRESS' ? '127.0.0.1' : 'fill-in'
}

/** What an answer is, in words that a recorded one and one of now share. */
interface Outcome {
  /** `passes` is an application of which the recording does not say which. */
  readonly kind: 'application' | 'passes' | 'served' | 'redirect' | 'refused'
  readonly port?: number | undefined
  readonly location?: string | undefined
}

function recordedOutcome({ verdict, port, location }: RecordedRow): Outcome {
  if (verdict === 'application')
    return port === undefined ? { kind: 'passes' } : { kind: 'application', port: ownPort(port) }
  if (verdict === 'answer 101') return { kind: 'passes' }
  if (/^answer 2/.test(verdict)) return { kind: 'served' }
  // Without an address it was a page that led on to sign in.
  return /^answer 3/.test(verdict) && location !== undefined ? { kind: 'redirect', location } : { kind: 'refused' }
}

function ownPort(port: number): number {
  return port > 10_000 ? port - LATER : port
}

function outcomeOf(response: WireResponse, isSignIn: (location: string) => boolean): Outcome {
  const port = response.field('x-application')
  if (port !== null) return { kind: 'application', port: Number(port) }
  if (response.status >= 200 && response.status < 300) return { kind: 'served' }
  const location = response.field('location')
  return location === null || isSignIn(location) ? { kind: 'refused' } : { kind: 'redirect', location }
}

function compare(
  row: RecordedRow,
  response: WireResponse,
  names: ReadonlySet<string>,
  isSignIn: (location: string) => boolean,
): { readonly kind: Kind; readonly now: string; readonly differing: readonly string[] } {
  const was = recordedOutcome(row)
  const is = outcomeOf(response, isSignIn)
  const now =
    is.kind === 'application' ? `application ${is.port}` : `answer ${response.status} ${is.location ?? ''}`.trim()
  const hasContent = is.kind === 'application' || is.kind === 'served'
  const found = (kind: Kind) => ({ kind, now, differing: [] })
  if (was.kind === 'passes') return found(hasContent ? 'same' : 'closed')
  if (was.kind === is.kind && was.port === is.port) {
    const changes = [...changesOf(row, names, response), ...movesOf(was, is)]
    if (changes.length === 0) return found('same')
    const told = changes.map(([what, before, now]) => `${what}: ${before} → ${now}`)
    return { kind: 'changed', now: told.join(', '), differing: changes.map(([what]) => what) }
  }
  if (is.kind === 'refused') return found('closed')
  // Whoever asks may reach both: each reading of such a path is judged.
  if (was.kind === 'application' && /%(?:2f|5c)/i.test(row.path)) return found('changed')
  return found(hasContent ? 'opened' : 'changed')
}

function before(row: RecordedRow): string {
  return [row.verdict, row.port, row.location].filter(one => one !== undefined).join(' ')
}

type Change = readonly [what: string, before: string, now: string]

/** How what an application got differs from what it got before. An empty field says as much as none. */
function changesOf(
  { path, url = path, fields = {} }: RecordedRow,
  names: ReadonlySet<string>,
  response: WireResponse,
): readonly Change[] {
  const received = response.field('x-received')
  if (received === null) return []
  const got = JSON.parse(Buffer.from(received, 'base64').toString())
  const pairs: readonly Change[] = [
    ['url', withoutDots(url), withoutDots(got.url)],
    ...[...names]
      // Written for every application, as X-Forwarded-For is; some files have it for some alone.
      .filter(name => name !== 'x-real-ip' || fields[name] !== undefined)
      .map((name): Change => [name, maskTokens(fields[name] ?? ''), maskTokens(got.headers[name] ?? '')]),
  ]
  return pairs.filter(([, before, now]) => before !== now)
}

/** An address as RFC 3986 §5.2.4 reads it: the old programs left dots to the application, and judged the address without them. */
function withoutDots(url: string): string {
  const { pathname, search } = new URL(url.replace(/^\/+/, '/'), 'http://x')
  return pathname + search
}

/** Where another address is led to than before. */
function movesOf({ location: before }: Outcome, { location: now }: Outcome): readonly Change[] {
  if (before === undefined || now === undefined) return []
  const isSame = before.endsWith('?…') ? now.startsWith(before.slice(0, -1)) : now === before
  return isSame ? [] : [['location', before, now]]
}

function maskTokens(value: string): string {
  // What Caddy did not fill in says as little as an empty field does.
  if (/^\{http\.auth\.user\.\w+\}$/.test(value)) return ''
  if (/^Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return '<jwt>'
  if (/^Basic ZXl[\w+/=]{200,}$/.test(value)) return 'Basic <jwt>'
  return /^[\w-]{43}$/.test(value) || /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(value) ? '<token>' : value
}
