import { freezeDeep } from '../../base/freeze.ts'
import { eachInSteps, finishInTurns, type Steps } from '../../base/steps.ts'
import type { CheckResult } from '../../config/check.ts'
import { askThread } from './ask-thread.ts'
import type { CheckQuestion } from './check-thread.ts'

/**
 * Checks the text of the file at an absolute path without keeping this event loop from its work; the answer is what `checkConfig`
 * says. Rejects when that breaks down, or is given up.
 */
export type CheckApart = (question: CheckQuestion, signal?: AbortSignal) => Promise<CheckResult>

/** A few milliseconds' work. */
const ROUTES_A_STEP = 250

/**
 * Checks in a thread that is started for it and ended after it: ten thousand routes are checked by way of several hundred MB, and what a
 * thread had goes with it. The effects are the real ones.
 */
export const checkInThread: CheckApart = async (question, signal) => {
  const answer = await askThread<CheckQuestion, CheckResult>('check-thread', question, signal)
  return finishInTurns(freezeSteps(answer))
}

/** A copy is not frozen, whatever it was made from. */
function* freezeSteps(result: CheckResult): Steps<CheckResult> {
  if (result.ok) yield* eachInSteps(result.config.routes, ROUTES_A_STEP, freezeDeep)
  return freezeDeep(result)
}
