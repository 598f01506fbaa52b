import { jsonAnswer } from '../../portal/answer.ts'
import { ownPath } from '../../portal/place.ts'
import { problemResponse } from '../../portal/problem.ts'
import type { Target } from '../../route/target.ts'
import type { Passage } from './passage.ts'
import { provenClient } from './policy-input.ts'

const ADDRESS = ownPath('address')

/**
 * What a client's address is taken for, told to that client alone, on every host that is served: operators and `doctor` see by it
 * whether the proxy in front says it, and whether strangers can. Null for any other address.
 */
export function answerAddress(passage: Passage, target: Target): Response | null {
  if (target.path !== ADDRESS || passage.snapshot.portals.lookup(target.host) === undefined) return null
  if (target.method === 'GET' || target.method === 'HEAD') return jsonAnswer({ address: provenClient(passage) })
  const say = 'This method is not allowed at this address.'
  return problemResponse(405, 'route.method', say, passage.id, {}, { allow: 'GET, HEAD' })
}
