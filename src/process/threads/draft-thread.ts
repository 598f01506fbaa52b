/** The program of a thread that copies a session database. */

import { parentPort } from 'node:worker_threads'
import { makeDraft } from '../../session/sqlite/replacement.ts'

/** What a thread is asked: to copy an open file, which the process keeps open, to a draft, and to look at all of that. */
export interface DraftQuestion {
  /** A descriptor: those of a process are its threads' too. */
  readonly file: number
  readonly draft: string
}

parentPort?.on('message', ({ file, draft }: DraftQuestion) => {
  parentPort?.postMessage(makeDraft(file, draft))
})
