import type { Ports } from '../../src/base/ports.ts'
import type { Io } from '../../src/console/io.ts'
import { ask } from '../../src/console/network.ts'
import { listFolder, readBytes, readText } from '../../src/console/read-file.ts'

/** What a command answered: its exit code, and all that it wrote. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command in a folder, without colours and without an environment, on real files. */
export async function runIn(folder: string, command: (io: Io) => number | Promise<number>): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await command({
    stdout(text) {
      out += text
    },
    stderr(text) {
      err += text
    },
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: folder,
    env: () => undefined,
    readText,
    readBytes,
    listFolder,
  })
  return { code, out, err }
}

/** The effects of a command as they are, on the files and the environment of `io`. */
export function commandPorts(
  io: Io,
): Pick<Ports, 'now' | 'random' | 'ask' | 'resolve' | 'readText' | 'readBytes' | 'env'> {
  return {
    now: Date.now,
    random: count => crypto.getRandomValues(new Uint8Array(count)),
    ask,
    resolve: async () => [],
    readText: io.readText,
    readBytes: io.readBytes,
    env: io.env,
  }
}
