/** Where Caddy's own JSON comes from: a file, a Caddy that runs, or one that adapts a Caddyfile. */

import { showUnseen } from '../../base/control-characters.ts'
import { UnreadError } from '../../base/http-client.ts'
import { timeLimit } from '../../base/time-limit.ts'
import { ask } from '../../console/network.ts'
import { type Captured, capture } from '../../console/run-program.ts'
import type { Note } from '../notes.ts'
import { isTable, valueAt } from './json.ts'

/** The JSON of a Caddy, from any source; or why there is none. `isUsage`: the command line has to change. */
export type CaddyJson =
  | { readonly ok: true; readonly json: unknown; readonly said: readonly Said[] }
  | { readonly ok: false; readonly why: string; readonly isUsage: boolean }

type Said = Pick<Note, 'option' | 'line' | 'say'>

export const MOST_BYTES = 50 * 1024 * 1024

/** Whether a text is what `caddy adapt` prints, or an autosave.json. */
export function isCaddyJson(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    return isTable(valueAt(JSON.parse(text), 'apps'))
  } catch {
    return false
  }
}

/** Reads what is said to be Caddy's JSON. `whence` begins what is said of it. */
export function parseCaddyJson(text: string, whence: string): CaddyJson {
  const fail = (why: string): CaddyJson => ({ ok: false, why: `${whence} ${why}`, isUsage: false })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail('is no JSON: give what "caddy adapt" prints on standard output, without standard error')
  }
  if (json === null) return fail('says null: this Caddy has no configuration loaded')
  if (valueAt(json, 'apps', 'http') === undefined)
    return fail('has no sites in it: "apps" with "http" is what a Caddy with sites has')
  return { ok: true, json, said: [] }
}

const ANSWER_MS = 10_000

/** What was named on the command line: a Caddy that runs here, an address that is none, or a file. */
export type Named = { readonly kind: 'caddy'; readonly url: string } | { readonly kind: 'refused' | 'file' }

const ADDRESS = /^(?:http:\/\/)?(localhost|127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})(?:\/(?:config\/?)?)?$/i

/**
 * The address that the operator named. Its API reveals every secret of Caddy, so only an API of this machine is asked.
 * `localhost` is 127.0.0.1, without asking a name server.
 */
export function seeNamed(named: string): Named {
  const [, host = '', port = ''] = ADDRESS.exec(named) ?? []
  const url = `http://${host.toLowerCase() === 'localhost' ? '127.0.0.1' : host}:${port}/config/`
  if (host !== '' && Number(port) > 0 && URL.canParse(url)) return { kind: 'caddy', url }
  return { kind: host !== '' || /^[a-z][a-z0-9+.-]*:\/\//i.test(named) ? 'refused' : 'file' }
}

export const REFUSED =
  'is not asked: a file, or the API of a Caddy on this machine, as http://localhost:2019 (localhost, 127.0.0.1 or [::1] with its port)'

/** Asks a running Caddy for its configuration: one GET, which follows no redirect. */
export async function askRunning(url: string, shownAs: string): Promise<CaddyJson> {
  const fail = (why: string): CaddyJson => ({ ok: false, why: `${shownAs} ${why}`, isUsage: false })
  try {
    const answer = await ask(url, { signal: timeLimit(ANSWER_MS), maxBytes: MOST_BYTES })
    if (answer.status === 200) return parseCaddyJson(await answer.text(), shownAs)
    await answer.drop()
    if (answer.status === 403) return fail('answers 403: the "origins" of its admin API do not list this address')
    return fail(`answers ${answer.status}, which Caddy's admin API does not: is this its port?`)
  } catch (error) {
    if (error instanceof UnreadError) return fail(`answers with something that ${error.message}`)
    if (error instanceof Error && error.name === 'TimeoutError') return fail('has not answered within 10 seconds')
    return fail(
      `does not answer${codeOf(error)}: with "admin off", or in a container, take the file that it saves itself${SAVED}`,
    )
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
}

const SAVED = `
  Docker:  docker exec caddy cat /config/caddy/autosave.json > caddy.json
  Debian:  sudo cat /var/lib/caddy/.config/caddy/autosave.json > caddy.json`

const PATIENCE_MS = 60_000

export interface Adapting {
  readonly text: string
  readonly path: string
  readonly shownAs: string
  readonly cwd: string
  /** The words of `--caddy`; null where it was not said. */
  readonly command: readonly string[] | null
  /** The Caddy that is on the PATH; null where there is none. */
  readonly installed: string | null
  env(name: string): string | undefined
}

/** Programs that run another one among the same files. */
const RUNS_HERE = /(?:^|\/)(?:sudo|doas|run0|env|nice)$/
/** Programs that run one among other files. */
const RUNS_ELSEWHERE =
  /(?:^|\/)(?:docker|docker-compose|podman|nerdctl|kubectl|oc|crictl|ssh|lxc|incus|lxc-attach|machinectl|systemd-nspawn|systemd-run|chroot|nsenter|unshare|flatpak|distrobox|toolbox)$/

export async function adaptCaddyfile(adapting: Adapting): Promise<CaddyJson> {
  const { text, path, shownAs, installed } = adapting
  const command = adapting.command ?? (installed === null ? null : [installed])
  if (command === null) {
    const why = `${shownAs} is a Caddyfile, and only Caddy can read it: there is no caddy on the PATH.\n${COMMANDS}`
    return { ok: false, why, isUsage: true }
  }
  if (command[0] === undefined || command[0] === '')
    return { ok: false, why: '--caddy names no command', isUsage: true }
  const isHere =
    command.length === 1 || (RUNS_HERE.test(command[0] ?? '') && !command.some(word => RUNS_ELSEWHERE.test(word)))
  const ran = await run(adapting, command, isHere ? { file: path } : { text })
  if (!('end' in ran)) return ran
  if (isGood(ran)) return madeOf(ran, shownAs, [])
  const shorter = ran.stderr.includes(VIOLATION) ? withoutHttpPort(text) : null
  if (shorter === null) return { ok: false, why: whyNot(ran, adapting, isHere), isUsage: false }
  // A copy beside the file would be written where only reading was promised.
  const again = await run(adapting, command, { text: shorter.text })
  if (!('end' in again)) return again
  if (!isGood(again)) return { ok: false, why: whyNot(again, adapting, false), isUsage: false }
  return madeOf(again, shownAs, shorter.said)
}

/** `/dev/stdin` is a file for Caddy; `-` is none. */
async function run(
  { cwd, shownAs }: Adapting,
  command: readonly string[],
  what: { readonly file: string } | { readonly text: string },
): Promise<Captured | CaddyJson> {
  const words = [...command, 'adapt', '--adapter', 'caddyfile', '--config', 'file' in what ? what.file : '/dev/stdin']
  const limits = { cwd, timeoutMs: PATIENCE_MS, maxBytes: MOST_BYTES }
  try {
    const ran = await capture(words, 'text' in what ? { ...limits, stdin: what.text } : limits)
    if (ran.end === 'exited') return ran
    const most = ran.end === 'too late' ? 'has not ended within 60 seconds' : 'has written more than 50 MB'
    return { ok: false, why: `${command.join(' ')} ${most}, and was ended: ${shownAs} is not read`, isUsage: false }
  } catch (error) {
    return { ok: false, why: `${command[0]} cannot be run${codeOf(error)}: see what --caddy names`, isUsage: true }
  }
}

/** Warnings on standard error are usual. */
function isGood({ code, stdout }: Captured): boolean {
  return code === 0 && stdout.trim() !== ''
}

function madeOf({ stdout }: Captured, shownAs: string, said: readonly Said[]): CaddyJson {
  const parsed = parseCaddyJson(stdout, `what caddy adapt made of ${shownAs}`)
  return parsed.ok ? { ...parsed, said } : parsed
}

const VIOLATION = 'scheme and port violate convention'

/** A copy without the global option that Caddy does not take beside an address with `https://`; null where it has none. */
function withoutHttpPort(text: string): { readonly text: string; readonly said: readonly Said[] } | null {
  const lines = text.split('\n')
  const at = lines.findIndex(line => /^\s*http_port\s+\d+\s*(?:#.*)?\r?$/.test(line))
  if (at === -1) return null
  const option = (lines[at] ?? '').replace(/#.*/, '').trim().replace(/\s+/g, ' ')
  const say = `Caddy itself refuses the file with it ("${VIOLATION}"): it was read as if that line were not there, with 80 as the port of plain HTTP`
  return { text: lines.with(at, '').join('\n'), said: [{ option, line: at + 1, say }] }
}

/** A directive of caddy-security that this Caddy does not know. */
const LACKS = [
  /unrecognized global option: security/,
  /\b(?:authenticate|authorize) is not a registered directive/,
  /unrecognized directive: (?:authenticate|authorize)\b/,
]

function whyNot(ran: Captured, adapting: Adapting, isHere: boolean): string {
  const { shownAs } = adapting
  if (LACKS.some(one => one.test(ran.stderr))) {
    return `this Caddy was built without caddy-security, and cannot read ${shownAs}: use the Caddy that serves the site.\n${COMMANDS}`
  }
  const last = ran.stderr.split('\n').findLast(line => line.trim() !== '') ?? ''
  const error = redact(last.trim(), adapting)
  const hints = [
    ...(/^Error: EOF$/.test(error) ? ['nothing of the file has reached it: docker exec needs -i'] : []),
    ...(!isHere && /File to import not found/.test(error)
      ? [
          "the file came by standard input, so that a relative import is looked for in that program's own folder: name it by its whole path, or let Caddy write caddy.json where the files are",
        ]
      : []),
  ]
  const said = error === '' ? `exit code ${ran.code}` : error
  return [`Caddy does not take ${shownAs}: ${showUnseen(said)}`, ...hints].join('\n')
}

/** A line about secrets has one of these in its first word. */
const ABOUT_SECRETS = /secret|password|passwd|key|token|hash|credential|auth$|basic/i

/**
 * What Caddy says, without what may be a secret of the file: each value of it but for plain lower-case words, and all values of a line
 * about secrets. First words of lines are directives and addresses. A variable that Caddy put in place is no better known to it.
 */
function redact(message: string, { text, env }: Adapting): string {
  const hidden = new Set<string>()
  for (const line of text.split('\n')) {
    const [name = '', ...values] = line.trim().split(/\s+/)
    for (const value of values) {
      const bare = value.replace(/^["'`]|["'`]$/g, '')
      if (
        bare.length > 2 &&
        (ABOUT_SECRETS.test(name) || ABOUT_SECRETS.test(values[0] ?? '') || !/^[a-z_]+$/.test(bare))
      )
        hidden.add(bare)
    }
  }
  for (const [, name = ''] of text.matchAll(/\{\$([A-Za-z0-9_]+)/g)) {
    const value = env(name) ?? ''
    if (value.length > 2) hidden.add(value)
  }
  return [...hidden]
    .toSorted((one, other) => other.length - one.length)
    .reduce((shown, value) => shown.replaceAll(value, '…'), message)
}

const COMMANDS = `Write its JSON into a file, with the Caddy that serves the site, and import that:
  Docker:     docker exec caddy caddy adapt --adapter caddyfile --config /etc/caddy/Caddyfile > caddy.json
  Debian:     sudo cat /var/lib/caddy/.config/caddy/autosave.json > caddy.json
  own build:  ./caddy adapt --adapter caddyfile --config Caddyfile > caddy.json
Then: sallyport import caddy.json
Or name that Caddy: sallyport import Caddyfile --caddy "docker exec -i caddy caddy"`
