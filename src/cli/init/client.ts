/** The OAuth client of a first routes.toml: its id and its secret, given or still to be made. */

import { resolve } from 'node:path'
import { GateError } from '../../base/errors.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import type { Io } from '../../console/io.ts'
import { callbackOf, type Plan } from './plan.ts'
import * as questions from './questions.ts'
import type { AnswerQuestion, Init } from './shared.ts'

/** The client's credentials: known, or to be made with an API key; none where there is no provider. */
export type Client =
  | { readonly kind: 'known'; readonly id: string; readonly secret: string | null }
  | { readonly kind: 'make'; readonly apiKey: string }
  | { readonly kind: 'none' }

/** Who Sallyport is to the provider. `mayMake`: the client can be made there. Throws `config.unreadable` for a file of a flag. */
export async function findClient(
  { flags, io }: Init,
  answer: AnswerQuestion,
  place: Pick<Plan, 'portal' | 'host' | 'coming' | 'preset'>,
  mayMake: boolean,
): Promise<Client> {
  const keyFile = flags['api-key-file']
  if (keyFile !== undefined) return { kind: 'make', apiKey: readGivenFile(keyFile, io) }
  if (flags['client-id'] === undefined && flags.yes !== true && mayMake) {
    const apiKey = await answer(questions.API_KEY, undefined)
    if (apiKey !== '') return { kind: 'make', apiKey }
  }
  if (flags['client-id'] === undefined && place.host !== '') {
    io.stderr(`  Register a client at the provider, with this callback: ${callbackOf(place)}\n`)
  }
  const id = await answer(questions.CLIENT_ID, flags['client-id'])
  if (flags.public === true) return { kind: 'known', id, secret: null }
  const secretFile = flags['client-secret-file']
  const secret =
    secretFile === undefined
      ? await answer(
          { ...questions.CLIENT_SECRET, fallback: flags.yes === true || place.preset !== null ? null : '' },
          undefined,
        )
      : readGivenFile(secretFile, io)
  return { kind: 'known', id, secret: secret === '' ? null : secret }
}

/** A file that a flag names, without blanks at its ends. Throws `config.unreadable`. */
export function readGivenFile(path: string, io: Io): string {
  try {
    return io.readText(resolve(io.cwd, path)).trim()
  } catch (thrown) {
    throw new GateError('config.unreadable', `${path} ${whyUnreadable(thrown)}`)
  }
}
