import { eventually } from '../gate.ts'
import { record, testPlace } from '../log/record.ts'
import { FROM_SOURCE } from './child.ts'

/** The program at a pseudo terminal. Killed at the end of the scope. */
export interface AtTerminal extends AsyncDisposable {
  readonly process: Bun.Subprocess
  /** All that is on the screen so far, as it was written: line breaks are `\n`. */
  screen(): string
  /** Waits until the screen shows a text. Throws where the program ends without it. */
  shows(text: string): Promise<void>
}

/** Starts the sources with these arguments at a terminal, in a folder. Without colours, unless the environment asks for them. */
export function startAtTerminal(
  folder: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = { NO_COLOR: '1' },
): AtTerminal {
  const place = testPlace()
  const decoder = new TextDecoder()
  let screen = ''
  const child = Bun.spawn([...FROM_SOURCE, ...argv], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, TERM: 'xterm', ...env },
    terminal: {
      cols: 200,
      rows: 50,
      data(_, data) {
        screen += decoder.decode(data, { stream: true }).replaceAll('\r\n', '\n')
      },
    },
  })
  return {
    process: child,
    screen: () => screen,
    async shows(text) {
      await eventually(() => screen.includes(text) || child.exitCode !== null, `the screen shows: ${text}`)
      if (!screen.includes(text)) throw new Error(`the program ended with ${child.exitCode}: ${screen}`)
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      child.terminal?.close()
      record(place, screen)
    },
  }
}
