import { GateError, toGateError } from '../../base/errors.ts'
import { showUnseen } from '../../base/visible.ts'
import type { Io } from '../../console/io.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS } from '../../identity/http.ts'
import { MARK } from '../../portal/pages/style.ts'
import type { Init } from './init.ts'
import { callbackOf, type Plan, placeOf, signedOutOf } from './plan.ts'
import { type ClientState, clientName, openPocketId, type PocketIdApi } from './pocket-id.ts'
import { takeOverQuestion } from './questions.ts'

/** A client at Pocket ID that is ours now. */
export interface RegisteredClient {
  readonly id: string
  /** Null where it is there, and no secret was given out. */
  readonly secret: string | null
  readonly isTakenOver: boolean
  /** Whether it refuses what a browser's address asks for itself: the file has to say `par`. */
  readonly isPushed: boolean
}

/** What a client is for. */
type Purpose = Pick<Plan, 'portal' | 'host' | 'coming' | 'group' | 'preset'>

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
    description: `Sallyport signs people in for ${purpose.host}`,
    callback: callbackOf(purpose),
    signedOut: signedOutOf(purpose),
    launch: placeOf(purpose),
    isRestricted: group !== null,
  }
  const found = await api.findClient(settings.name)
  let before: ClientState | null = null
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
    before = await api.changeClient(found.id, settings)
  }
  const id = found?.id ?? (await api.makeClient(settings))
  try {
    if (group !== null) await api.allowGroup(id, group)
    const secret = await api.makeSecret(id)
    if (before?.hasLogo !== true) await giveLogo(api, id, io)
    if (before !== null) tell(before, group === null, id, io)
    return { id, secret, isTakenOver: found !== null, isPushed: before?.isPushed === true }
  } catch (thrown) {
    io.stderr(`The client ${id} is at Pocket ID, and is not finished: --take-over goes on with it.\n`)
    throw thrown
  }
}

/** A picture is no reason to stop: the client is there without it. */
async function giveLogo(api: PocketIdApi, id: string, io: Io): Promise<void> {
  try {
    await api.setLogo(id, MARK)
  } catch (thrown) {
    io.stderr(`${showUnseen(toGateError(thrown).message)}\n`)
  }
}

/** What a client that somebody made before brings along, and nobody has asked for. */
function tell({ groups, isPushed, isOld }: ClientState, isForEveryone: boolean, id: string, io: Io): void {
  if (groups !== null && isForEveryone) {
    const whose = groups.length === 0 ? 'no group' : `the groups ${groups.join(', ')}`
    io.stderr(
      `The client ${id} is for ${whose} at Pocket ID, which refuses everybody else before Sallyport sees them.\nhint: open it for everybody there, or name the group with --group\n`,
    )
  }
  if (isPushed && isOld) {
    io.stderr(
      `The client ${id} has to push its requests, so par = "always" is in the file. Pocket ID keeps such a request for 90 seconds: up to 2.9 whoever takes longer to sign in begins again.\nhint: turn that off for this client there, and take par out, unless you need it\n`,
    )
  }
}
