import { Worker } from 'node:worker_threads'

/** A file of this room whose code runs in a thread, by its name without the ending. `.ci/build.ts` lays each into the executable. */
export type ThreadName = 'check-thread' | 'draft-thread'

/**
 * Asks a thread that is started for it and ends after it; what it had goes with it.
 *
 * Rejects when that breaks down, or is given up.
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
