/** What the steps of one `sallyport init` share. */

import type { OutgoingConfig } from '../../base/outgoing.ts'
import type { Ports } from '../../base/ports.ts'
import type { loadConfig } from '../../config/load.ts'
import type { parseArguments } from '../../console/args.ts'
import type { ServiceUser } from '../../console/drop-root.ts'
import type { Io } from '../../console/io.ts'
import type { Reach } from '../../identity/http.ts'
import type { Asker, Question } from './ask.ts'
import type { USAGE } from './usage.ts'

export type Flags = Extract<ReturnType<typeof parseArguments<typeof USAGE.options>>, { ok: true }>['values']
export type InitPorts = Parameters<typeof loadConfig>[1] &
  Pick<Ports, 'now' | 'random' | 'ask' | 'resolve' | 'proxyFor'>

/** Asks a question, unless a flag has answered it; empty where there is no answer, which is then known. */
export type AnswerQuestion = (question: Question, stated: string | undefined) => Promise<string>

/** One run of the command. */
export interface Init {
  readonly flags: Flags
  readonly io: Io
  readonly ports: InitPorts
  readonly out: string
  readonly secretPath: string
  readonly asker: Asker
  readonly hasTerminal: boolean
  /** Which other user has to read the written files; null: none. */
  readonly serviceUser: ServiceUser | null
  /** How the provider is reached from here. */
  readonly reach: Reach
  /** By which proxy, which `ports` ask through already; null: by none. */
  readonly outgoing: OutgoingConfig | null
}
