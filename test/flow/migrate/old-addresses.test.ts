import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { untilTheEnd } from '../../kit/opened.ts'
import { PEOPLE, serveImported, startSurroundings } from '../../kit/recorded.ts'

/** One request to an address of oauth2-proxy's own, and what it answered; identity fields are members by their lower-case names. */
interface Row {
  readonly who: string | null
  readonly as: 'page' | 'script' | 'subrequest'
  readonly method: string
  readonly path: string
  readonly status: number
  readonly reachesTheApplication: boolean
  readonly location?: string
  readonly body?: string
  readonly [field: string]: unknown
}

const HOST = 'app.example.test:9720'
const FIELDS = [
  'gap-auth',
  'x-auth-request-email',
  'x-auth-request-groups',
  'x-auth-request-preferred-username',
  'x-auth-request-user',
] as const

/** What a browser sends with each kind of request, and a proxy in front hands on. */
const SENT: Readonly<Record<Row['as'], Readonly<Record<string, string>>>> = {
  page: { accept: 'text/html', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
  script: {
    accept: 'application/json',
    'sec-fetch-site': 'same-origin',
    'sec-fetch-mode': 'cors',
    'sec-fetch-dest': 'empty',
  },
  subrequest: { accept: 'text/html', 'x-original-url': `http://${HOST}/some/page`, 'x-original-method': 'GET' },
}

/** Where an answer is another one than it was: which rows, what it is now, and why. The same is in docs/moving-in-from-oauth2-proxy.md. */
const DIFFERENCES: readonly { readonly rows: RegExp; readonly now: string; readonly why: string }[] = [
  { rows: /^\S+ script \/oauth2\/start\?/, now: '403', why: 'a step of a sign-in is taken by a window alone' },
  { rows: /\/oauth2\/static\//, now: '404', why: 'files of its own pages: ours need none' },
  {
    rows: /^nobody page \/oauth2(?:\/nothing)?$/,
    now: '302 app.example.test:9720/.sallyport/login',
    why: 'what is an address of the application is one here: who has to sign in is led there',
  },
  { rows: /^nobody script \/oauth2(?:\/nothing)?$/, now: '401', why: 'the same, and programs get problem details' },
  { rows: /page \/oauth2\/callback\?/, now: '400', why: 'an answer to no sign-in begun here, whatever it says' },
  { rows: /script \/oauth2\/callback\?code/, now: '403', why: 'a step of a sign-in is taken by a window alone' },
]

const keep = untilTheEnd()
const surroundings = keep(await startSurroundings())
const [app] = surroundings.apps.values()
const config = readFileSync(join(import.meta.dir, '../../recorded/oauth2-proxy-endpoints.cfg'), 'utf8')
const rows: readonly Row[] = JSON.parse(
  readFileSync(join(import.meta.dir, '../../recorded/oauth2-proxy-endpoints.json'), 'utf8'),
)
const OTHER = `
[[routes]]
host = "other.example.test"
upstream = "http://127.0.0.1:${app?.port}"
portal = "home"
allow = ["user"]
`
const gate = keep(await serveImported(config, surroundings, routes => routes + OTHER))
surroundings.provider.allowRedirect(`http://${HOST}/oauth2/callback`)

async function ask({ who, as, method, path }: Row): Promise<Response> {
  const account = PEOPLE.find(({ sub }) => sub === who)
  const { cookie } = account === undefined ? { cookie: '' } : await gate.signIn('app.example.test', account)
  return fetch(`http://127.0.0.1:${gate.port}${path}`, {
    method,
    redirect: 'manual',
    headers: { host: HOST, ...SENT[as], ...(cookie === '' ? {} : { cookie }) },
  })
}

interface Answer {
  readonly status: number
  readonly location: string
  readonly fields: readonly string[]
  readonly body: string | null
  readonly isApplication: boolean
}

function before(row: Row): Answer {
  return {
    status: row.status,
    location: placeOf(row.location),
    fields: FIELDS.flatMap(name => (row[name] === undefined ? [] : [`${name}: ${row[name]}`])),
    body: row.body ?? null,
    isApplication: row.reachesTheApplication,
  }
}

async function now(row: Row): Promise<Answer> {
  const response = await ask(row)
  const text = await response.text()
  return {
    status: response.status,
    location: placeOf(response.headers.get('location')),
    fields: FIELDS.flatMap(name => (response.headers.has(name) ? [`${name}: ${response.headers.get(name)}`] : [])),
    body: row.body === undefined ? null : text,
    isApplication: response.headers.has('x-application'),
  }
}

/** Host and path of a Location; the provider's port is that of the recording. */
function placeOf(location: string | null | undefined): string {
  if (location === null || location === undefined) return ''
  const { host, pathname } = new URL(
    location.replace(surroundings.provider.issuer, 'http://127.0.0.1:9700'),
    `http://${HOST}`,
  )
  return host + pathname
}

/** Of an answer that is another one: its status, and where it leads. */
function briefly({ status, location }: Answer): string {
  return `${status} ${location}`.trim()
}

describe('oauth2-proxy’s own addresses answer as they did, by status, place, fields and body', () => {
  for (const [title, some] of Map.groupBy(rows, ({ method, path }) => `${method} ${path}`)) {
    test(title, async () => {
      for (const row of some) {
        const name = `${row.who ?? 'nobody'} ${row.as} ${row.path}`
        const other = DIFFERENCES.find(difference => difference.rows.test(name))
        const [was, is] = [before(row), await now(row)]
        if (other === undefined) expect([name, is]).toEqual([name, was])
        else {
          expect([name, briefly(is), is.isApplication, is.fields]).toEqual([name, other.now, false, []])
          expect([name, is]).not.toEqual([name, was])
        }
      }
    })
  }

  test('all but what is listed here', () => {
    const names = rows.map(({ who, as, path }) => `${who ?? 'nobody'} ${as} ${path}`)
    const others = names.filter(name => DIFFERENCES.some(({ rows }) => rows.test(name)))
    expect([names.length, others.length]).toEqual([159, 28])
  })
})
