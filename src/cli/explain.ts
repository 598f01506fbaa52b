/** `sallyport explain`: which route would take a request, and which rule decides. */

import { resolve } from 'node:path'
import { showJson } from '../base/control-characters.ts'
import { canonicalAddress } from '../base/net.ts'
import { loadConfig } from '../config/load.ts'
import { renderDiagnostics } from '../config/render-diagnostics.ts'
import type { Config } from '../config/resolve/config.ts'
import { parseAskedAddress } from '../config/values/address.ts'
import { parseDuration } from '../config/values/duration.ts'
import { momentMs, parseMoment } from '../config/values/times.ts'
import { parseArguments } from '../console/args.ts'
import { identityFrom } from '../console/identity-argument.ts'
import type { Io } from '../console/io.ts'
import { besideRunning, servedConfig } from '../console/running-server.ts'
import { layOutUsage } from '../console/usage.ts'
import { type Explanation, explain } from '../server/preview/explain.ts'
import { createJudge } from '../server/preview/judge.ts'
import { guestIdentity } from '../session/credentials/guest-links.ts'
import type { RoleGrant } from '../session/grants/document.ts'
import { isOutOfReach, openStateAsUser, type StorePorts, tellFailure } from './with-sessions.ts'

export const USAGE = {
  text: `usage: sallyport explain URL [--as sub=ada,groups=a,b] [--method GET] [--ip 203.0.113.9] [--header "NAME: VALUE"] [--at TIME] [--signed-in 20m] [--config routes.toml] [--json]

Says which route a request gets, which rule decides, and why. It contacts nothing but the session store, if a portal has requests:
granted roles are stored there.
Exit code: 0 allowed, 3 has to sign in (again), 4 denied, 5 no route or a refused address, 1 errors in the file, 2 for a wrong command line.

  --as         the user: claims as name=value, lists with commas (sub=ada,groups=admins,staff; an address
               counts as at a sign-in: email=ada@example.com,email_verified=true);
               guest: a guest with a link for this address; default: not signed in
  --ip         the client's address; without it, rules with networks cannot be decided
  --header     a field of the request, for rules with headers; may be repeated; default: none
  --at         the time: 2026-12-24T18:00:00+01:00, or in UTC without an offset; default: now
  --signed-in  how long ago the user signed in; default: just now`,
  options: {
    as: { type: 'string' },
    method: { type: 'string', default: 'GET' },
    ip: { type: 'string' },
    header: { type: 'string', multiple: true },
    at: { type: 'string' },
    'signed-in': { type: 'string' },
    config: { type: 'string', short: 'c' },
    json: { type: 'boolean', default: false },
  },
  maxPositionals: 1,
} as const

const EXIT_CODES: Readonly<Record<Explanation['verdict'], number>> = {
  allow: 0,
  'sign-in': 3,
  'step-up': 3,
  deny: 4,
  'no-route': 5,
  refused: 5,
}

/** `sallyport explain`: the verdict for one request, by the same functions that decide real ones. Answers the exit code. */
export function runExplain(argv: readonly string[], io: Io, ports: StorePorts): number | Promise<number> {
  const fail = (message: string): number => {
    io.stderr(`${message}\n`)
    return 2
  }
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals } = parsed
  const [address] = positionals
  if (address === undefined) {
    return fail(`explain needs an address, such as https://kuma.example.com/settings\n\n${layOutUsage(USAGE.text)}`)
  }
  const url = URL.parse(address.includes('://') ? address : `https://${address}`)
  if (url === null) return fail(`${address} is not an address`)
  const asked = parseAskedAddress(address.split('#')[0] ?? address)
  const client = values.ip === undefined ? null : canonicalAddress(values.ip)
  if (values.ip !== undefined && client === null) return fail(`${values.ip} is not an IP address`)
  const sent = readFields(values.header ?? [])
  if (typeof sent === 'string') return fail(`${sent} is not a field; write --header "User-Agent: curl"`)
  const moment = values.at === undefined ? null : parseMoment(values.at)
  if (moment?.ok === false) return fail(`${moment.message}; ${moment.hint}`)
  const nowMs = moment === null ? ports.now() : momentMs(moment.value, 'UTC', 'start')
  const age = values['signed-in'] === undefined ? null : parseDuration(values['signed-in'])
  if (age?.ok === false) return fail(`${age.message}; ${age.hint}`)

  const file = values.config ?? servedConfig(io) ?? 'routes.toml'
  const path = resolve(io.cwd, file)
  const loaded = loadConfig(path, { ...ports, env: besideRunning(ports.env, path, io.running?.() ?? null) }, file)
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }))
    return 1
  }
  const { config } = loaded
  const judge = createJudge(config)
  const written = asked.ok ? asked.value : undefined
  const place = judge.place(url, values.method.toUpperCase(), written)
  const identity =
    values.as === undefined
      ? null
      : values.as === 'guest'
        ? guestIdentity('guest', 'example')
        : identityFrom(values.as, config, place.kind === 'route' ? place.route.portal : null)
  const question = {
    url,
    sent: written,
    identity,
    facts: {
      method: values.method.toUpperCase(),
      client,
      sent,
      nowMs,
      signedInAtMs: identity === null || identity.isGuest === true ? null : nowMs - (age?.value ?? 0),
    },
  }
  const tell = (grants: ReadonlyMap<string, readonly RoleGrant[]>): number => {
    const explanation = explain(config, { ...question, grants }, judge)
    io.stdout(values.json ? `${showJson(explanation)}\n` : renderExplanation(explanation))
    return EXIT_CODES[explanation.verdict]
  }
  const asking = [...config.portals.values()].filter(({ requests }) => requests !== null).map(({ name }) => name)
  if (identity === null || identity.isGuest === true || asking.length === 0) return tell(new Map())
  return readGrants(config, asking, io, ports).then(tell)
}

/** Fields by their names in small letters, with repeated ones as the server gets them; or the text that is none. */
function readFields(texts: readonly string[]): Readonly<Record<string, string>> | string {
  const fields: Record<string, string> = {}
  for (const text of texts) {
    const [, name, value = ''] = /^([^\s:]+):\s*(.*)$/.exec(text) ?? []
    if (name === undefined) return text
    const key = name.toLowerCase()
    fields[key] = fields[key] === undefined ? value : `${fields[key]}, ${value}`
  }
  return fields
}

/** What was granted at these portals; nothing, and a line that says so, where the store cannot be read. */
async function readGrants(
  config: Config,
  portals: readonly string[],
  io: Io,
  ports: StorePorts,
): Promise<ReadonlyMap<string, readonly RoleGrant[]>> {
  const found = new Map<string, readonly RoleGrant[]>()
  if (isOutOfReach(config.sessions.store, io)) return found
  try {
    const { sessions } = openStateAsUser(config, ports, io.running?.() ?? null)
    try {
      for (const portal of portals) found.set(portal, (await sessions.grants.list(portal)).grants)
    } finally {
      await sessions.close()
    }
  } catch (error) {
    tellFailure('what was granted cannot be read', error, io)
  }
  return found
}

/** An Explanation for people. */
function renderExplanation(explanation: Explanation): string {
  const {
    method,
    url,
    ip,
    at,
    route,
    upstream,
    allow,
    portal,
    certificate,
    who,
    roles,
    granted,
    rules,
    verdict,
    why,
    reason,
    step_up,
    needs,
    groups,
    unverified_email,
  } = explanation
  const rows: [string, string][] = [['request', `${method} ${url}`]]
  if (certificate !== null) rows.push(['shows', certificate])
  if (route !== null) {
    rows.push(['route', `${route} -> ${upstream.join(', ')}`])
    rows.push(['allow', allow + (portal === null ? '' : ` (portal ${portal})`)])
    rows.push(['who', who], ['roles', roles.join(', ') || 'none'])
    for (const { role, until } of granted)
      rows.push(['granted', `${role}, ${until === null ? 'for good' : `until ${until}`}`])
    if (rules.length > 0) rows.push(['from', `${ip ?? 'an unknown address (--ip)'} at ${at}`])
  }
  for (const rule of rules) {
    rows.push(['', `${rule.list} ${rule.number}: ${rule.rule}: ${rule.outcome}`])
    for (const { reason: code, why: text } of rule.missing) rows.push(['', `  ${text} (${code})`])
  }
  rows.push(['verdict', `${verdict}: ${why} (${reason})`])
  if (needs !== null) rows.push(['needs', needs])
  if (groups !== null) rows.push(['groups', groups])
  if (unverified_email !== null) {
    const { says, alone, hint } = unverified_email
    rows.push(['e-mail', `${says}${alone ? ', and nothing else is in the way' : ''}: ${hint}`])
  }
  if (step_up !== null) rows.push(['sign in', `again, ${demandText(step_up)}`])
  return rows.map(([name, value]) => `${name.padEnd(8)} ${value}\n`).join('')
}

function demandText({ max_age, acr, amr }: NonNullable<Explanation['step_up']>): string {
  const parts = [
    max_age === null ? null : `max_age ${max_age} s`,
    acr.length === 0 ? null : `acr ${acr.join(' or ')}`,
    amr.length === 0 ? null : `amr ${amr.join(' or ')}`,
  ]
  return parts.filter(part => part !== null).join(', ')
}
