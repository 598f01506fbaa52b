import { GateError } from '../../base/errors.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS } from '../../identity/http.ts'
import type { Init } from './init.ts'
import { callbackOf, type Plan, placeOf, signedOutOf } from './plan.ts'
import { clientName, openPocketId } from './pocket-id.ts'
import { takeOverQuestion } from './questions.ts'

/** A client at Pocket ID that is ours now. */
export interface RegisteredClient {
  readonly id: string
  /** Null where it is there, and no secret was given out. */
  readonly secret: string | null
  readonly isTakenOver: boolean
}

/** What a client is for. */
type Purpose = Pick<Plan, 'portal' | 'host' | 'coming' | 'group'>

/**
 * Makes the client at Pocket ID, for the group that may pass where there is one; one of the same name is taken over, where whoever is
 * asked says so. Null where they do not.
 *
 * Nothing is made before the group is known to be there. Throws `provider.down`, `provider.refused`.
 */
export async function registerClient(
  { ports, reach, flags, asker, hasTerminal, io }: Init,
  issuer: string,
  apiKey: string,
  purpose: Purpose,
): Promise<RegisteredClient | null> {
  const fetchProvider = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reach)
  const api = openPocketId(reach.internalUrl ?? issuer.replace(/\/$/, ''), apiKey, fetchProvider)
  const group = purpose.group === null ? null : await api.findGroup(purpose.group)
  const settings = {
    name: clientName(purpose.host),
    callback: callbackOf(purpose),
    signedOut: signedOutOf(purpose),
    launch: placeOf(purpose),
    isRestricted: group !== null,
  }
  const found = await api.findClient(settings.name)
  if (found !== null) {
    const mayAsk = hasTerminal && flags.yes !== true
    if (flags['take-over'] !== true && !mayAsk) {
      throw new GateError('provider.refused', `Pocket ID has a client "${settings.name}" already`, {
        hint: '--take-over makes it this one’s: it gets this callback besides and another secret; or remove it there',
      })
    }
    const said = await asker.answer(
      takeOverQuestion(settings.name, found.callbacks),
      flags['take-over'] === true ? 'yes' : undefined,
    )
    if (said !== 'yes') return null
    await api.changeClient(found.id, settings)
  }
  const id = found?.id ?? (await api.makeClient(settings))
  try {
    if (group !== null) await api.allowGroup(id, group)
    return { id, secret: await api.makeSecret(id), isTakenOver: found !== null }
  } catch (thrown) {
    io.stderr(`The client ${id} is at Pocket ID, and is not finished: --take-over goes on with it.\n`)
    throw thrown
  }
}
