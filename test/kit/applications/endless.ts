import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'

/**
 * An application in a process of its own, so that it is as quick as it can be: `/endless` is a gigabyte,
 * `/deaf` reads nothing of a request and never answers, anything else is a word.
 * Killed at the end of the scope.
 */
export interface Endless extends AsyncDisposable {
  readonly port: number
}

/** `folder` is where its gigabyte is, which takes no room. */
export async function startEndless(folder: string): Promise<Endless> {
  const child = Bun.spawn([process.execPath, import.meta.path, folder], { stdin: 'ignore', stdout: 'pipe' })
  const reader = child.stdout.getReader()
  const { value } = await reader.read()
  return {
    port: Number(new TextDecoder().decode(value)),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
    },
  }
}

if (import.meta.main) {
  const path = join(process.argv[2] ?? '.', 'endless')
  const file = openSync(path, 'w')
  ftruncateSync(file, 1024 ** 3)
  closeSync(file)
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch({ url }) {
      if (url.endsWith('/deaf')) return new Promise<Response>(() => undefined)
      return new Response(url.endsWith('/endless') ? Bun.file(path) : 'plain')
    },
  })
  process.stdout.write(String(server.port))
}
