/** The program of a thread that checks a long file. */

import { parentPort } from 'node:worker_threads'
import { checkConfig } from '../../config/check.ts'
import type { Included } from '../../config/includes.ts'
import { readBytes, readText } from '../../console/read-file.ts'
import { holdExpectations } from '../../server/preview/expect.ts'

/** The task of a thread: the text of a file, its absolute path, and its includes. The result is a CheckResult. */
export interface CheckQuestion {
  readonly text: string
  readonly file: string
  readonly included: Included
}

// A file of thousands of routes is checked in a separate thread, which frees its memory when it ends.
parentPort?.on('message', ({ text, file, included }: CheckQuestion) => {
  const env = (name: string) => process.env[name]
  const checked = checkConfig(text, { file, included, readText, readBytes, env, now: Date.now })
  parentPort?.postMessage(holdExpectations(checked))
})
