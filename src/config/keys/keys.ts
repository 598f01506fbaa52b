/** All keys of routes.toml: the root table, the JSON schema, and the reference in docs/keys.md. */

import type { Json } from '../text/raw.ts'
import { createReport, type Home, type Homes } from '../text/report.ts'
import { duration } from '../values/duration.ts'
import { includePattern } from '../values/pattern.ts'
import { choice, either, list, offIsNull } from '../values/value.ts'
import { ACME, ACME_DNS, EXTERNAL_ACCOUNT } from './acme.ts'
import { RESPOND } from './answers.ts'
import { ASSERTION } from './assertion.ts'
import { CLAIM_NAMES } from './claims.ts'
import { COMPAT } from './compat.ts'
import { EXPECT, EXPECTED_PERSON, finishExpectation } from './expect.ts'
import { REQUEST_FIELDS, RESPONSE_FIELDS } from './field-rules.ts'
import { FILES } from './files.ts'
import { ROUTE_RATE } from './limits.ts'
import { LOG, LOG_REFUSED } from './log.ts'
import { OUTGOING } from './outgoing.ts'
import { PASS_TOKEN } from './pass-token.ts'
import { GUEST_LINKS, PORTAL, REQUESTS, RULE } from './portals.ts'
import { ACCESS_TOKENS, PROVIDER, PROVIDER_REFUSED, SCIM } from './providers.ts'
import { APP, REWRITE, ROUTE, TOOLS } from './routes.ts'
import { ACCESS, accessRule, RULE_SCHEMA, WHEN } from './rules.ts'
import { SERVER } from './server.ts'
import { SESSIONS, STORE_TLS } from './sessions.ts'
import {
  LOG_WORDS,
  PORTAL_INSTEAD,
  PORTAL_WORDS,
  PROVIDER_WORDS,
  ROUTE_INSTEAD,
  ROUTE_WORDS,
  SERVER_INSTEAD,
  SERVER_WORDS,
} from './synonyms.ts'
import {
  type Built,
  defaulted,
  formatToml,
  type Keys,
  named,
  objectOf,
  optional,
  RULE_TITLE,
  type Table,
  table,
  tables,
  WHOLE_FILE,
} from './table.ts'
import { TELEMETRY } from './telemetry.ts'
import { CERTIFICATE, TLS, TLS_REFUSED } from './tls.ts'
import { BASIC_AUTH, HEALTH, UPSTREAM, UPSTREAM_TLS } from './upstreams.ts'

/** What stands above all tables. */
const TOP = {
  include: optional(
    list(includePattern, { single: true }),
    ['conf.d/*.toml'],
    'nothing',
    "Files that go on where this one ends: paths, with a star for any name (not for folders, and not for names that begin with a dot). Relative ones start at this file's folder, and so do all paths in what is included.",
  ),
} as const satisfies Keys

const KEEP = offIsNull(
  either(raw => raw.kind === 'text' && raw.text === 'off', choice(['off']), duration('1h', '3650d')),
  'Ms',
)

/** `[audit]`: what is kept of who did what. */
const AUDIT = {
  keep: defaulted(
    KEEP,
    'off',
    '90d',
    'How long the session store keeps a row of each event of [the trail](operations.md#audit-trail); `"off"`: none, and those that are there are removed. The log has a line of each all the same.',
    { build: ms => ms ?? 0 },
  ),
} as const satisfies Keys

/** `[audit]`. Rows are kept for 0 ms where there are none. */
export type AuditConfig = Built<typeof AUDIT>

/** The title of the section of two tables with the same keys. */
const FIELD_RULES = 'request_headers and response_headers'

/** One table of routes.toml, as the reference shows it. */
export interface Section {
  /** As in the file. */
  readonly title: string
  readonly doc: string
  readonly keys: Keys
}

/**
 * Every table that routes.toml can have, in the order of the reference.
 *
 * The one place where keys are: the checker, the suggestions, the JSON schema and docs/keys.md all come from it.
 */
export const SECTIONS: readonly Section[] = [
  { title: 'the top of the file', doc: 'What stands above all tables.', keys: TOP },
  { title: '[server]', doc: 'The listeners and the process.', keys: SERVER },
  {
    title: 'outgoing',
    doc: 'The proxy by which Sallyport itself asks others: [behind an outgoing proxy](operations.md#behind-an-outgoing-proxy).',
    keys: OUTGOING,
  },
  { title: '[log]', doc: 'How lines are written, and where they go.', keys: LOG },
  {
    title: '[telemetry]',
    doc: 'Where traces go: [Traces](traces.md). Without this table, nothing is traced.',
    keys: TELEMETRY,
  },
  { title: '[tls]', doc: 'HTTPS by Sallyport itself. Without this table, a TLS proxy has to be in front.', keys: TLS },
  { title: '[[tls.certificates]]', doc: 'A certificate and its key.', keys: CERTIFICATE },
  { title: '[tls.acme]', doc: 'Who gives certificates, and to whom (RFC 8555).', keys: ACME },
  {
    title: '[tls.acme.dns]',
    doc: 'How records are written into DNS: by updates to a name server, or by a program.',
    keys: ACME_DNS,
  },
  {
    title: '[tls.acme.external_account]',
    doc: 'An external account that an authority needs (RFC 8555 §7.3.4).',
    keys: EXTERNAL_ACCOUNT,
  },
  { title: '[sessions]', doc: 'How long a sign-in lasts, and where it is kept.', keys: SESSIONS },
  {
    title: '[sessions.store_tls]',
    doc: 'Whom to trust at a Redis or Valkey server, and who we are.',
    keys: STORE_TLS,
  },
  { title: '[audit]', doc: 'What is kept of who did what: [the audit trail](operations.md#audit-trail).', keys: AUDIT },
  {
    title: '[providers.NAME]',
    doc: 'An OpenID provider, and this proxy as its client; or a file of users.',
    keys: PROVIDER,
  },
  {
    title: '[providers.NAME.access_tokens]',
    doc: 'Which access tokens of a provider are meant for this gate.',
    keys: ACCESS_TOKENS,
  },
  {
    title: '[providers.NAME.scim]',
    doc: 'How a provider pushes its people by SCIM 2.0.',
    keys: SCIM,
  },
  {
    title: '[providers.NAME.claims]',
    doc: 'How a provider calls the claims that rules and applications know by other names.',
    keys: CLAIM_NAMES,
  },
  { title: '[portals.NAME]', doc: 'Where people sign in, and who is who.', keys: PORTAL },
  {
    title: '[portals.NAME.roles]',
    doc: 'Each key is a role, each value a rule with the keys below or a list of such rules. Every key of a rule must hold; of a list, any rule is enough.',
    keys: RULE,
  },
  {
    title: '[portals.NAME.guest_links]',
    doc: 'Links by which guests come in, who made them, and how far they go.',
    keys: GUEST_LINKS,
  },
  {
    title: '[portals.NAME.requests]',
    doc: 'Who may ask for which role, and where requests are sent: [asking for access](tokens-and-guests.md#asking-for-access).',
    keys: REQUESTS,
  },
  {
    title: '[portals.NAME.compat]',
    doc: 'Whose addresses keep answering after a move, and where: [moving in](moving-in-from-oauth2-proxy.md#its-own-addresses).',
    keys: COMPAT,
  },
  {
    title: '[upstreams.NAME]',
    doc: 'An application with more to say about it than its addresses; a route names it as `"@NAME"`, or has such a table as its own `upstream`.',
    keys: UPSTREAM,
  },
  { title: '[upstreams.NAME.tls]', doc: 'Whom to trust at `https://` addresses, and who we are.', keys: UPSTREAM_TLS },
  {
    title: '[upstreams.NAME.basic_auth]',
    doc: 'Who we are to the application, in clear text unless it is `https://`.',
    keys: BASIC_AUTH,
  },
  { title: '[upstreams.NAME.health]', doc: 'How each address is asked whether it is well.', keys: HEALTH },
  { title: '[[routes]]', doc: 'Hosts and paths, where they lead, and who may pass.', keys: ROUTE },
  { title: '[routes.app]', doc: 'How a route shows on the portal page.', keys: APP },
  {
    title: '[routes.assertion]',
    doc: 'A JWT (ES256) in a field of the request, valid for five minutes and renewed in time.',
    keys: ASSERTION,
  },
  {
    title: '[routes.pass_token]',
    doc: "Which of the provider's tokens go to the application, and in which field.",
    keys: PASS_TOKEN,
  },
  { title: '[routes.tools]', doc: 'What may be called of an MCP server.', keys: TOOLS },
  { title: '[routes.rewrite]', doc: 'Another path for the application.', keys: REWRITE },
  { title: '[routes.when]', doc: 'Which requests a route is for, beside its host and path.', keys: WHEN },
  { title: '[routes.respond]', doc: 'An answer of the route’s own.', keys: RESPOND },
  { title: '[routes.files]', doc: 'A folder, and how its files are served.', keys: FILES },
  {
    title: FIELD_RULES,
    doc: 'Values are text with placeholders: `{sub}` and the others of `headers`, `{claims.NAME}`, and `{host}`, `{path}`, `{query}`, `{method}`, `{client}`, `{request_id}`, `{scheme}`. Write a literal brace twice.',
    keys: REQUEST_FIELDS,
  },
  {
    title: 'rate',
    doc: 'How many requests may come to a route, or to the whole server (there without `by`).',
    keys: ROUTE_RATE,
  },
  {
    title: 'allow and deny',
    doc: 'Each entry of `allow` or `deny` in `[[routes]]` is a role or a table with the keys below. Every key of a table must hold; of a list, any entry is enough.',
    keys: ACCESS,
  },
  {
    title: '[[expect]]',
    doc: 'The result that a request has to have. It is checked at every start and save; a file with another result is refused.',
    keys: EXPECT,
  },
  { title: 'as', doc: 'Who asks, in `[[expect]]`.', keys: EXPECTED_PERSON },
]

/** The tables that a section is about, where its title is no table of the file. */
const TABLES_OF: Readonly<
  Record<string, readonly (Partial<Home> & { readonly title: string; readonly keys: Keys })[]>
> = {
  [FIELD_RULES]: [
    { title: '[routes.request_headers]', said: '[routes.request_headers] (to the application)', keys: REQUEST_FIELDS },
    { title: '[routes.response_headers]', said: '[routes.response_headers] (to the browser)', keys: RESPONSE_FIELDS },
  ],
  rate: [
    {
      title: '`rate` of a route',
      said: '`rate` of a route or of [server]',
      write: 'rate = { requests = 100, per = "1m" }',
      keys: ROUTE_RATE,
    },
  ],
  outgoing: [{ title: '[server.outgoing]', keys: OUTGOING }],
  'allow and deny': [{ title: RULE_TITLE, said: 'a rule of allow or deny', keys: ACCESS }],
  as: [{ title: '[expect.as]', keys: EXPECTED_PERSON }],
}

/** The tables in which each key lives. */
function findHomes(): Homes {
  const homes = new Map<string, Home[]>()
  for (const section of SECTIONS) {
    for (const { title, keys, said = title, write = '' } of TABLES_OF[section.title] ?? [{ ...section }]) {
      for (const [name, { type }] of Object.entries(keys)) {
        const takes: Home['takes'] = raw => {
          const report = createReport()
          type.read(raw, report)
          return report.problems.every(({ severity }) => severity !== 'error')
        }
        homes.set(name, [...(homes.get(name) ?? []), { title, said, write, takes }])
      }
    }
  }
  return homes
}

/** Where a key lives that people look for in the wrong table: `max_body` → `[server]`, `[[routes]]`. */
export const HOMES: Homes = findHomes()

/** The whole file. */
export const ROOT = {
  ...TOP,
  server: defaulted(
    table(SERVER, { title: '[server]', synonyms: SERVER_WORDS, instead: SERVER_INSTEAD }),
    {},
    {},
    'The listeners and the process.',
  ),
  log: defaulted(
    table(LOG, { title: '[log]', refused: LOG_REFUSED, synonyms: LOG_WORDS }),
    {},
    {},
    'How lines are written, and where they go.',
  ),
  telemetry: optional(
    table(TELEMETRY, { title: '[telemetry]' }),
    { endpoint: 'http://127.0.0.1:4318' },
    'no traces',
    'Where traces go.',
  ),
  tls: optional(table(TLS, { title: '[tls]', refused: TLS_REFUSED }), {}, 'no HTTPS', 'HTTPS by Sallyport itself.'),
  sessions: defaulted(
    table(SESSIONS, { title: '[sessions]' }),
    {},
    {},
    'How long a sign-in lasts, and where it is kept.',
  ),
  audit: defaulted(table(AUDIT, { title: '[audit]' }), {}, { keep: '90d' }, 'What is kept of who did what.'),
  providers: defaulted(
    named(
      table(PROVIDER, { title: '[providers.NAME]', refused: PROVIDER_REFUSED, synonyms: PROVIDER_WORDS }),
      'provider',
    ),
    {},
    {},
    'OpenID providers by name.',
  ),
  portals: defaulted(
    named(table(PORTAL, { title: '[portals.NAME]', synonyms: PORTAL_WORDS, instead: PORTAL_INSTEAD }), 'portal'),
    {},
    {},
    'Portals by name.',
  ),
  upstreams: defaulted(named(table(UPSTREAM, { title: '[upstreams.NAME]' }), 'upstream'), {}, {}, 'Upstreams by name.'),
  routes: defaulted(
    tables(table(ROUTE, { title: '[[routes]]', synonyms: ROUTE_WORDS, instead: ROUTE_INSTEAD }), 'routes'),
    [],
    [],
    'What is served.',
  ),
  expect: defaulted(
    tables(table(EXPECT, { title: '[[expect]]' }, finishExpectation), 'expect'),
    [],
    [],
    'What requests have to come to.',
  ),
} as const satisfies Keys

export type RootTable = Table<typeof ROOT>

/** Reads the whole file. */
export const root = table(ROOT, { title: WHOLE_FILE })

/**
 * The JSON schema of routes.toml, for editors that know TOML (Taplo, Even Better TOML).
 *
 * It knows names, types and defaults; what keys say about each other only `sallyport check` knows.
 * Source: JSON Schema draft-07, the newest that those editors read.
 */
export function configSchema(): Json {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'routes.toml',
    description: 'The configuration of Sallyport, an authenticating reverse proxy.',
    ...objectOf(root.schema),
    definitions: { [RULE_SCHEMA]: accessRule.schema },
  }
}

/** The key tables of docs/keys.md: one Markdown table for each table of routes.toml. Ends without a line break. */
export function configReference(): string {
  return SECTIONS.map(renderSection).join('\n\n')
}

function renderSection({ title, doc, keys }: Section): string {
  const rows = Object.entries(keys).map(([name, key]) => renderRow(name, key))
  return [
    `## \`${title}\``,
    '',
    ...filled(doc),
    '',
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

/** Prose in lines of at most 110 characters, as everything in docs/ has them. No key or example is broken: they are in the tables. */
function filled(text: string): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart()
    if (lines.length > 0 && longer.length <= 110) lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

function renderRow(name: string, key: Keys[string]): string {
  const meaning = `${key.doc} Example: ${code(formatToml(key.example))}`
  return `| ${[code(name), key.type.label, fallbackOf(key), meaning].map(escapeCell).join(' | ')} |`
}

function fallbackOf(key: Keys[string]): string {
  if (key.isRequired) return '**required**'
  return key.fallback === undefined ? key.fallbackNote : code(formatToml(key.fallback))
}

function code(text: string): string {
  return `\`${text}\``
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|')
}
