import { Worker } from 'node:worker_threads'
import { freezeDeep } from '../base/freeze.ts'
import { eachInSteps, finishInTurns, type Steps } from '../base/steps.ts'
import type { CheckResult } from '../config/check.ts'
import type { CheckQuestion } from './check-thread.ts'

/**
 * Checks the text of the file at an absolute path without keeping this event loop from its work; the answer is what `checkConfig`
 * says. Rejects when that breaks down, or is given up.
 */
export type CheckApart = (text: string, file: string, signal?: AbortSignal) => Promise<CheckResult>

/** Where the thread's code is: a file of the sources, or a part of the compiled executable, as `.ci/build.ts` lays it in. */
const THREAD = Bun.main.startsWith('/$bunfs/')
  ? '/$bunfs/root/src/process/check-thread.js'
  : new URL('./check-thread.ts', import.meta.url)

/** A few milliseconds' work. */
const ROUTES_A_STEP = 250

/**
 * Checks in a thread that is started for it and ended after it: ten thousand routes are checked by way of several hundred MB, and what a
 * thread had goes with it. The effects are the real ones.
 */
export const checkInThread: CheckApart = async (text, file, signal) => {
  signal?.throwIfAborted()
  const thread = new Worker(THREAD)
  const { promise, resolve, reject } = Promise.withResolvers<CheckResult>()
  const giveUp = () => reject(signal?.reason)
  signal?.addEventListener('abort', giveUp)
  thread.on('message', resolve)
  thread.on('error', reject)
  thread.on('exit', code => reject(new Error(`the thread ended without an answer, with code ${code}`)))
  let answer: CheckResult
  try {
    thread.postMessage({ text, file } satisfies CheckQuestion)
    answer = await promise
  } finally {
    signal?.removeEventListener('abort', giveUp)
    await thread.terminate()
  }
  return finishInTurns(freezeSteps(answer))
}

/** A copy is not frozen, whatever it was made from. */
function* freezeSteps(result: CheckResult): Steps<CheckResult> {
  if (result.ok) yield* eachInSteps(result.config.routes, ROUTES_A_STEP, freezeDeep)
  return freezeDeep(result)
}
