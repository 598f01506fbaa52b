import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/import/run.ts'
import { type App, startApp } from './applications/app.ts'
import { BrowserLite } from './browser/browser-lite.ts'
import { temporaryFolder } from './folder.ts'
import { type Gate, startGate } from './gate.ts'
import { runIn } from './io.ts'
import { startProvider, type TestAccount, type TestProvider } from './provider/provider.ts'

/** One request to the old program, and what came of it; the words are those of test/recorded/README.md. */
interface RecordedRow {
  readonly who: string | null
  readonly method: string
  readonly path: string
  readonly verdict: string
  readonly port?: number
  /** Path and query as the application got them. */
  readonly url?: string
  /** What it was told of who is there; `<jwt>` and `<token>` stand for a token. */
  readonly fields?: Readonly<Record<string, string>>
}

/** What the old program answered under one configuration. */
export interface Recording {
  readonly name: string
  /** The configuration's text. */
  readonly config: string
  readonly signedIn: Readonly<Record<string, boolean>>
  readonly rows: readonly RecordedRow[]
}

/**
 * How many rows came out as before, how many are refused now that were served, and how many are served by another application.
 * `opened` are those that were refused and are served, which has to be none. `changed` is what an application gets otherwise than
 * before, where the same one answers: its address, and fields about who is there.
 */
export interface Comparison {
  readonly same: number
  readonly changed: readonly string[]
  /** What the report says that is not carried over as it was, and of what: `option: say`. */
  readonly told: readonly string[]
  readonly closed: readonly string[]
  readonly elsewhere: readonly string[]
  readonly opened: readonly string[]
}

/** What has to be there for a recorded configuration: its applications and its provider. */
export interface Surroundings extends AsyncDisposable {
  readonly provider: TestProvider
  /** By the port in the recording. */
  readonly apps: ReadonlyMap<number, App>
}

const FOLDER = join(import.meta.dir, '../recorded')
const HOST = 'app.example.test'
const SECRET = 's'.repeat(40)

/** Everybody in the recordings. */
export const PEOPLE: readonly TestAccount[] = [
  person('alice', { email: 'alice@corp.test', email_verified: true, groups: ['users', 'admins'], name: 'Alice A' }),
  person('bob', { email: 'bob@corp.test', email_verified: true, groups: ['users'], name: 'Bob B' }),
  person('dan', { email: 'dan@other.test', email_verified: true, groups: ['guests'], name: 'Dan' }),
  person('eve', { email: 'eve@corp.test', email_verified: false, groups: ['users'], name: 'Eve' }),
  person('carol', { name: '日本 "q"' }),
  person('kay', { email: 'kay@corp.test', email_verified: true, realm_access: { roles: ['admins'] }, name: 'Kay' }),
]

function person(name: string, claims: Readonly<Record<string, unknown>>): TestAccount {
  return { sub: name, preferred_username: name, ...claims }
}

/** The recordings of a program. */
export function recordingsOf(program: 'caddy-security' | 'oauth2-proxy'): readonly Recording[] {
  const folder = join(FOLDER, program)
  return readdirSync(folder)
    .filter(name => name.endsWith('.json') && !name.endsWith('.adapted.json'))
    .sort()
    .map(name => {
      const { config, signedIn, rows } = JSON.parse(readFileSync(join(folder, name), 'utf8'))
      const text = readFileSync(join(folder, config), 'utf8').replaceAll('{{files}}', join(FOLDER, 'files'))
      return { name: name.replace(/\.json$/, ''), config: text, signedIn, rows }
    })
}

/** The provider and the two applications of the recordings, on free ports. */
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
    apps,
    async [Symbol.asyncDispose]() {
      for (const app of apps.values()) await app.stop()
      await provider.stop()
    },
  }
}

/** Imports the configuration of a recording, serves what comes of it, and asks every row again. */
export async function askAgain({ config, signedIn, rows }: Recording, surroundings: Surroundings): Promise<Comparison> {
  const made = await importRecorded(config, surroundings)
  await using gate = await serve(made)
  const { provider } = surroundings
  const origin = /redirect_url="(http:\/\/[^/"]+)/.exec(config)?.[1] ?? `https://${HOST}`
  provider.allowRedirect(`${origin}${/callback_path = "([^"]+)"/.exec(readFileSync(gate.configPath, 'utf8'))?.[1]}`)
  const browsers = new Map<string | null, BrowserLite>()
  const compared: Record<'closed' | 'elsewhere' | 'opened', string[]> = { closed: [], elsewhere: [], opened: [] }
  const changed = new Set<string>()
  const names = new Set(rows.flatMap(({ fields = {} }) => Object.keys(fields)))
  let same = 0
  // Where nobody at all got a session, what only asked for one judged nobody. Whatever else kept people out keeps them out now.
  const isJudged = Object.values(signedIn).includes(true)
  for (const row of rows) {
    if (row.who !== null && !isJudged && row.verdict === 'sign in') continue
    const browser = browsers.get(row.who) ?? (await signIn(row, origin, gate))
    browsers.set(row.who, browser)
    const response = await browser.visit(`${origin}${row.path}`, { method: row.method })
    await response.body?.cancel()
    const came = outcomeOf(response)
    const kind = compare(row, came)
    if (kind === 'same') {
      same++
      // Who got no session there, and has one now, is told where nobody was.
      const isKnown = row.who === null || signedIn[row.who] === true
      if (row.verdict === 'application' && isKnown) for (const one of changesOf(row, names, response)) changed.add(one)
    } else compared[kind].push(`${row.who ?? 'nobody'} ${row.method} ${row.path}: ${row.verdict} → ${came}`)
  }
  const told = made.notes.filter(({ outcome }) => outcome !== 'kept').map(({ option, say }) => `${option}: ${say}`)
  return { same, changed: [...changed], told, ...compared }
}

/** What import makes of a recorded configuration, served; `change` may change it before that. */
export async function serveImported(
  config: string,
  surroundings: Surroundings,
  change: (routes: string) => string = routes => routes,
): Promise<Gate> {
  const made = await importRecorded(config, surroundings)
  return serve({ ...made, routes: change(made.routes) })
}

function importRecorded(config: string, { provider, apps }: Surroundings): Promise<Made> {
  const text = [...apps].reduce(
    (before, [port, app]) => before.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${app.port}`),
    config.replaceAll('http://127.0.0.1:9700', provider.issuer),
  )
  return importText(text)
}

/** How what an application got differs from what it got before: `who NAME: before → now`. */
function changesOf(
  { who, path, url = path, fields = {} }: RecordedRow,
  names: ReadonlySet<string>,
  response: Response,
) {
  const got = JSON.parse(Buffer.from(response.headers.get('x-received') ?? '', 'base64').toString())
  const pairs = [
    ['url', url, got.url],
    ...[...names].map(name => [name, fields[name] ?? '-', withoutTokens(got.headers[name] ?? '-')] as const),
  ]
  return pairs
    .filter(([, before, now]) => before !== now)
    .map(([name, before, now]) => `${who ?? 'nobody'} ${name}: ${before} → ${now}`)
}

function withoutTokens(value: string): string {
  return /^Bearer ey[\w-]+\.[\w-]+\.[\w-]+$/.test(value) ? '<jwt>' : /^[\w-]{43}$/.test(value) ? '<token>' : value
}

interface Made {
  readonly routes: string
  readonly unset: readonly { readonly name: string }[]
  readonly notes: readonly { readonly outcome: string; readonly option: string; readonly say: string }[]
}

async function importText(text: string): Promise<Made> {
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'old'), text)
  const { out, err } = await runIn(folder.path, io => runImport(['old', '--json'], io))
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

/** The new file, but for where it listens and what it keeps sessions in: a test has its own. */
function serve({ routes, unset }: Made): Promise<Gate> {
  const blocks = routes.trimEnd().split('\n\n')
  const linesOf = (title: string, mine: RegExp) =>
    (blocks.find(block => new RegExp(`^\\[${title}\\]$`, 'm').test(block)) ?? '')
      .split('\n')
      .filter(line => line !== `[${title}]` && !mine.test(line))
      .join('\n')
  const rest = blocks.filter(block => !/^\[(?:server|sessions)\]$/m.test(block))
  return startGate(rest.join('\n\n'), {
    server: linesOf('server', /^(?:listen|admin) = /),
    sessions: linesOf('sessions', /^(?:store|key) = /),
    env: Object.fromEntries(unset.map(({ name }) => [name, standIn(name)])),
  })
}

/** What whoever moves would fill in, without letting anybody in by it. */
function standIn(name: string): string {
  if (name.endsWith('SECRET')) return SECRET
  if (name === 'APP_HOST') return HOST
  return name === 'PROXY_ADDRESS' ? '10.0.0.2' : 'fill-in'
}

/** A browser that has tried to sign in, where somebody is meant. */
async function signIn({ who }: RecordedRow, origin: string, gate: Gate): Promise<BrowserLite> {
  const browser = new BrowserLite({ hosts: { [new URL(origin).host]: `127.0.0.1:${gate.port}` } })
  if (who !== null) await browser.signIn(`${origin}/.sallyport/login`, who)
  return browser
}

/** The port of the application that answered, `served` for another good answer, or the status of a refusal. */
function outcomeOf(response: Response): string {
  const application = response.headers.get('x-application')
  if (application !== null) return `application ${application}`
  return response.ok ? 'served' : `answer ${response.status}`
}

function compare({ verdict, port }: RecordedRow, came: string): 'same' | 'closed' | 'elsewhere' | 'opened' {
  const before = verdict === 'application' ? `application ${port}` : /^answer 2/.test(verdict) ? 'served' : 'refused'
  const now = came.startsWith('answer') ? 'refused' : came
  if (before === now) return 'same'
  if (before === 'refused') return 'opened'
  return now === 'refused' ? 'closed' : 'elsewhere'
}
