/** The program of a thread that takes the log of a session database in. */

import { parentPort } from 'node:worker_threads'
import { type LogQuestion, takeIn } from '../../session/sqlite/checkpoints.ts'

parentPort?.on('message', (question: LogQuestion) => {
  parentPort?.postMessage(takeIn(question))
})
