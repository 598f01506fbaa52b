/** Long work in a separate thread: checking a long file, copying a database, taking its log in. */

import { Worker } from 'node:worker_threads'
import { freezeDeep } from '../../base/freeze.ts'
import { eachInSteps, finishInTurns, type Steps } from '../../base/steps.ts'
import type { CheckResult } from '../../config/check.ts'
import type { LogAnswer, LogQuestion } from '../../session/sqlite/checkpoints.ts'
import type { DiskWork } from '../../session/sqlite/database-in-use.ts'
import type { Found } from '../../session/sqlite/replacement.ts'
import type { CheckQuestion } from './check-thread.ts'
import type { DraftQuestion } from './draft-thread.ts'

/** A file of this room whose code runs in a thread, by its name without the ending. `.ci/build.ts` lays each into the executable. */
export type ThreadName = 'check-thread' | 'draft-thread' | 'log-thread'

/**
 * Runs one task in a new thread, which ends after it and frees its memory.
 *
 * Rejects when the thread fails, or the task is aborted.
 */
export async function askThread<Question, Answer>(
  name: ThreadName,
  question: Question,
  signal?: AbortSignal,
): Promise<Answer> {
  signal?.throwIfAborted()
  const thread = new Worker(codeOf(name))
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const giveUp = () => reject(signal?.reason)
  signal?.addEventListener('abort', giveUp)
  thread.on('message', resolve)
  thread.on('error', reject)
  thread.on('exit', code => reject(new Error(`the thread ended without an answer, with code ${code}`)))
  try {
    thread.postMessage(question)
    return await promise
  } finally {
    signal?.removeEventListener('abort', giveUp)
    await thread.terminate()
  }
}

/** A file of the sources, or a part of the compiled executable. */
function codeOf(name: ThreadName): string | URL {
  return Bun.main.startsWith('/$bunfs/')
    ? `/$bunfs/root/src/process/threads/${name}.js`
    : new URL(`./${name}.ts`, import.meta.url)
}

/** What waits for the disk without keeping this event loop from its work: to look at all of a database takes a second for 200 MB. */
export const DISK_IN_THREADS = {
  makeDraft: (file, draft) => askThread<DraftQuestion, Found>('draft-thread', { file, draft }),
  takeIn: question => askThread<LogQuestion, LogAnswer>('log-thread', question),
} satisfies DiskWork

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

/** A copy is not frozen, even when its original was. */
function* freezeSteps(result: CheckResult): Steps<CheckResult> {
  if (result.ok) yield* eachInSteps(result.config.routes, ROUTES_A_STEP, freezeDeep)
  return freezeDeep(result)
}
