/** `sallyport rehearse`: asks what the new file would do with the requests of an access log. */

import { resolve } from 'node:path'
import { showJson } from '../../base/control-characters.ts'
import { loadConfig } from '../../config/load.ts'
import { renderDiagnostics } from '../../config/render-diagnostics.ts'
import type { Config } from '../../config/resolve/config.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { EXIT, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { findingOf } from './findings.ts'
import { FORMATS } from './formats.ts'
import { createJudge } from './judge.ts'
import { readPeople } from './people.ts'
import { readLogs } from './read.ts'
import { countKinds, hasServed, renderRehearsal } from './report.ts'

export const USAGE = {
  text: `usage: sallyport rehearse LOG… [--config routes.toml] [--host HOST] [--as NAME=claims] [--people FILE] [--json]

Reads access logs of the old program, and says which requests this file would allow, refuse or not find, by the rules that decide
real requests. It contacts nothing. It reads compressed logs (.gz), and standard input (-).
Exit code: 0 if nothing that was served would be refused, 1 if something would, 2 for a wrong command line, file or log (also a log
without a served request).

  --format NAME     ${FORMATS.map(({ name }) => name).join(', ')}; default: recognised by the first lines
  --host HOST       the host, for a log without hosts
  --as NAME=claims  the claims of a user in the log, as for explain --as: --as ada@example.com=sub=ada,groups=staff,ops; may be repeated
  --people FILE     the same for many users, as JSON: {"ada@example.com": {"sub": "ada", "groups": ["staff"]}}
  --skip PATH       leaves out this path and below, such as /oauth2 for the old gate's own pages; may be repeated
  --all             shows every address, not only the most frequent
  --json            everything as JSON
  --config FILE     another file than routes.toml`,
  options: {
    config: { type: 'string', short: 'c', default: 'routes.toml' },
    format: { type: 'string' },
    host: { type: 'string' },
    as: { type: 'string', multiple: true },
    people: { type: 'string' },
    skip: { type: 'string', multiple: true },
    all: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  maxPositionals: 1000,
} as const

/** `sallyport rehearse`: answers the exit code. */
export async function runRehearse(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { values, positionals: files } = parsed
  const fail = (message: string): number => {
    io.stderr(`${message}\n`)
    return EXIT.usage
  }
  if (files.length === 0) return fail('rehearse needs an access log, such as /var/log/caddy/access.log')
  const forced = FORMATS.find(({ name }) => name === values.format)
  if (values.format !== undefined && forced === undefined) {
    return fail(`--format ${values.format} is not known; there are ${FORMATS.map(({ name }) => name).join(', ')}`)
  }
  const file = values.config
  const loaded = loadConfig(resolve(io.cwd, file), { ...io, now: Date.now }, file)
  if (!loaded.ok) {
    io.stderr(renderDiagnostics(loaded.diagnostics, loaded.texts, { colour: io.colour.stderr }))
    return EXIT.usage
  }
  const { config } = loaded
  let peopleText: string | null = null
  try {
    if (values.people !== undefined) peopleText = io.readText(resolve(io.cwd, values.people))
  } catch (error) {
    return fail(`${values.people} ${whyUnreadable(error)}`)
  }
  const people = readPeople(values.as ?? [], peopleText, config)
  if (!people.ok) return fail(people.why)

  const rehearsed = await readLogs(files, {
    forced: forced ?? null,
    host: values.host ?? onlyHost(config),
    skip: values.skip ?? [],
    cwd: io.cwd,
    judge: createJudge(config, loaded.fingerprint, people.people),
  })
  if (typeof rehearsed === 'string') return fail(rehearsed)
  const { reading, groups, namesUsers } = rehearsed
  const facts = {
    hosts: new Set(config.routes.map(({ host }) => host)),
    namesUsers: (host: string) => namesUsers || groups.hasUsers(host),
  }
  const findings = groups.list().map(group => findingOf(group, facts))
  const totals = countKinds(findings)
  const isGood = totals.lost === 0 && hasServed(findings)
  if (values.json === true) {
    await io.stdout(`${showJson({ ok: isGood, log: reading, totals, groups: findings }, 2)}\n`)
  } else {
    await io.stdout(renderRehearsal({ reading, findings }, io.colour.stdout, values.all === true))
  }
  return isGood ? EXIT.ok : totals.lost === 0 ? EXIT.usage : EXIT.failed
}

/** The host of a file that has no other. */
function onlyHost({ routes }: Config): string | null {
  const [host = null, ...more] = new Set(routes.map(route => route.host))
  return more.length === 0 && host?.startsWith('*') === false ? host : null
}
