import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** Someone at a terminal, who can be asked. */
export interface Terminal {
  /** The line that was typed, without blanks at its ends; null where input has ended. */
  ask(prompt: string): Promise<string | null>
  /** The same for a secret, which is not shown while it is typed. */
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
  const ask = (prompt: string) =>
    Promise.race([new Promise<string>(resolve => lines.question(prompt, line => resolve(line.trim()))), ended])
  return {
    ask,
    async askSecret(prompt) {
      process.stderr.write(prompt)
      isShown = false
      try {
        return await ask('')
      } finally {
        isShown = true
        process.stderr.write('\n')
      }
    },
    close: () => lines.close(),
  }
}
