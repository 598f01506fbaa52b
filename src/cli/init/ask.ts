/** Questions of `sallyport init`: answered by a flag, or else at the terminal. */

import type { Parsed } from '../../config/text/diagnostic.ts'
import type { Io } from '../../console/io.ts'
import type { Terminal } from '../../console/terminal.ts'

/** One thing to know, by a flag or by asking. */
export interface Question {
  /** The flag that answers it, as people type it. */
  readonly flag: string
  readonly prompt: string
  /** What no answer means; null: it needs one. */
  readonly fallback: string | null
  readonly isSecret?: boolean
  /** The answer in its one spelling, or why it is none. */
  parse(text: string): Parsed<string> | Promise<Parsed<string>>
}

/** Why there is no answer: flags are missing or wrong, or the user has left. */
export type Unanswered = 'missing' | 'wrong' | 'left'

/** Answers questions from flags first, then by asking, then by what is usual. Collects the flags that would have answered the rest. */
export interface Asker {
  answer(question: Question, stated: string | undefined): Promise<string | Unanswered>
  readonly missing: readonly string[]
}

/** A question with a list before it fills a screen: after a slip, the list still stands above. */
const LONG = 6

function shortened(prompt: string): string {
  const lines = prompt.split('\n')
  return lines.length > LONG ? (lines.at(-1) ?? prompt) : prompt
}

/** `takesUsual`: nothing is asked, and what is usual is taken. */
export function createAsker(io: Io, terminal: Terminal | null, takesUsual: boolean): Asker {
  const missing: string[] = []

  async function ask(question: Question, at: Terminal): Promise<string | Unanswered> {
    for (let prompt = question.prompt; ; prompt = shortened(question.prompt)) {
      io.stderr(`${prompt}\n`)
      const line = await (question.isSecret === true ? at.askSecret('> ') : at.ask('> '))
      if (line === null) return 'left'
      if (line === '' && question.fallback !== null) return question.fallback
      const parsed = await question.parse(line)
      if (parsed.ok) return parsed.value
      complain(parsed)
    }
  }

  function complain({ message, hint }: { readonly message: string; readonly hint: string }): void {
    io.stderr(`  ${message}${hint === '' ? '' : `\n  hint: ${hint}`}\n`)
  }

  return {
    missing,
    async answer(question, stated) {
      if (stated !== undefined) {
        const parsed = await question.parse(stated)
        if (parsed.ok) return parsed.value
        io.stderr(`${question.flag}:\n`)
        complain(parsed)
        return 'wrong'
      }
      if (!takesUsual && terminal !== null) return ask(question, terminal)
      if (takesUsual && question.fallback !== null) return question.fallback
      missing.push(question.flag)
      return 'missing'
    },
  }
}
