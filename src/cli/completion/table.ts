import { USAGE as IMPORT } from '../../import/run.ts'
import { USAGE as AUDIT } from '../audit.ts'
import { USAGE as BACKUP } from '../backup.ts'
import { USAGE as CHECK } from '../check.ts'
import { USAGE as CLIENT_KEY } from '../client-key.ts'
import { USAGE as DEMO } from '../demo/run.ts'
import { USAGE as DOCTOR } from '../doctor/run.ts'
import { USAGE as EXPLAIN } from '../explain.ts'
import { USAGE as FMT } from '../fmt/run.ts'
import { USAGE as GUESTS } from '../guests.ts'
import { COMMANDS } from '../help/commands.ts'
import { TOPICS } from '../help/topics.ts'
import { USAGE as INIT } from '../init/usage.ts'
import { USAGE as RECIPE } from '../recipe/run.ts'
import { USAGE as REHEARSE } from '../rehearse/run.ts'
import { USAGE as REQUESTS } from '../requests.ts'
import { USAGE as RESTORE } from '../restore.ts'
import { USAGE as SERVE } from '../serve.ts'
import { USAGE as SERVICE } from '../service/run.ts'
import { USAGE as SESSIONS } from '../sessions.ts'
import { USAGE as TOKENS } from '../tokens.ts'
import { USAGE as USER } from '../user/user.ts'

/** An option as a shell completes it. */
export interface CompletedOption {
  /** Without dashes. */
  readonly name: string
  /** One letter, or null. */
  readonly short: string | null
  readonly takesValue: boolean
}

/** A command as a shell completes it. */
export interface CompletedCommand {
  readonly name: string
  readonly about: string
  readonly options: readonly CompletedOption[]
  /** Words that may stand behind it. */
  readonly words: readonly string[]
  /** Whether names of files may. */
  readonly takesFiles: boolean
}

type ParsedOptions = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>

/** What each command parses its arguments by; those that are missing have no options. */
const USAGES: Readonly<Record<string, { readonly options: ParsedOptions }>> = {
  serve: SERVE,
  check: CHECK,
  fmt: FMT,
  explain: EXPLAIN,
  doctor: DOCTOR,
  service: SERVICE,
  sessions: SESSIONS,
  tokens: TOKENS,
  guests: GUESTS,
  requests: REQUESTS,
  audit: AUDIT,
  user: USER,
  'client-key': CLIENT_KEY,
  backup: BACKUP,
  restore: RESTORE,
  demo: DEMO,
  init: INIT,
  import: IMPORT,
  recipe: RECIPE,
  rehearse: REHEARSE,
}

/** Every command of the list that `sallyport help` shows, with the options by which it parses its arguments. */
export function completedCommands(): readonly CompletedCommand[] {
  return COMMANDS.map(({ name, call, about, words }) => ({
    name,
    about,
    options: [
      ...Object.entries(USAGES[name]?.options ?? {}).map(([option, { type, short }]) => ({
        name: option,
        short: short ?? null,
        takesValue: type === 'string',
      })),
      { name: 'help', short: 'h', takesValue: false },
    ],
    words: name === 'help' ? [...COMMANDS, ...TOPICS].map(one => one.name) : (words ?? wordsOf(call)),
    takesFiles: /\b(?:FILE|LOG)\b/.test(call),
  }))
}

/** `list` and `revoke` of `sessions list|revoke`. */
function wordsOf(call: string): readonly string[] {
  return /^\S+ ([a-z]+(?:\|[a-z]+)+)/.exec(call)?.[1]?.split('|') ?? []
}
