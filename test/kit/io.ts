import type { Io } from '../../src/console/io.ts'
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
