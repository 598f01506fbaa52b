/** What a person at a terminal is shown and asked. */

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { showTurning } from '../base/control-characters.ts'

/** Someone at a terminal, who can be asked. */
export interface Terminal {
  /** The line that was typed, without blanks at its ends; null where input has ended. */
  ask(prompt: string): Promise<string | null>
  /** The same for a secret, which is not shown while it is typed, and has the blanks that were typed. */
  askSecret(prompt: string): Promise<string | null>
  close(): void
}

/** The terminal that this process was started at, asked on standard error; null where input is no terminal. */
export function processTerminal(): Terminal | null {
  if (process.stdin.isTTY !== true) return null
  let isShown = true
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (isShown) process.stderr.write(chunk)
      done()
    },
  })
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  const ended = new Promise<null>(resolve => {
    lines.once('close', () => resolve(null))
  })
  const read = (prompt: string) =>
    Promise.race([new Promise<string>(resolve => lines.question(prompt, resolve)), ended])
  return {
    ask: async prompt => (await read(prompt))?.trim() ?? null,
    async askSecret(prompt) {
      process.stderr.write(prompt)
      isShown = false
      try {
        return await read('')
      } finally {
        isShown = true
        process.stderr.write('\n')
      }
    },
    close: () => lines.close(),
  }
}

/**
 * Columns as wide as their widest cell. Control characters, which a provider may have put into a name, are left out, and marks that
 * turn the direction of text are escapes.
 */
export function columns(rows: readonly (readonly string[])[]): string {
  const clean = rows.map(row => row.map(cell => showTurning(cell.replace(/\p{Cc}/gu, ''))))
  const widths = (clean[0] ?? []).map((_, column) => Math.max(...clean.map(row => Bun.stringWidth(row[column] ?? ''))))
  return clean
    .map(row => row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - Bun.stringWidth(cell))).join('  '))
    .map(line => `${line.trimEnd()}\n`)
    .join('')
}
