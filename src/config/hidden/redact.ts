/** Puts marks in place of secrets in a text that is shown for editing, and the secrets back afterwards. */

import { sayingsOf } from '../text/positions.ts'
import { type Secret, secretsOf } from './secrets.ts'

/** The result of putting the hidden secrets back into a text. */
type Restored =
  | { readonly kind: 'whole'; readonly text: string }
  /** What was hidden would stand where it is shown: the names of the keys that it was taken from. */
  | { readonly kind: 'exposed'; readonly keys: readonly string[] }
  /** It is no TOML, so that nothing can be said of where anything stands. */
  | { readonly kind: 'broken' }

/** Hides what is secret in several texts: the same secret has the same mark in all of them. */
export interface Veil {
  /** The text with `${kept:MARK}` for each secret; a whole value is in double quotes. */
  hide(text: string): string
  /** Puts back what was hidden in any text before, where the same key hides it again. */
  restore(shown: string): Restored
}

/**
 * The mark for a secret: eight letters, digits, `-` and `_`, the same for the same secret. The mark does not reveal
 * the secret.
 */
export type MarkOf = (source: string) => string

/** Whether a text has something in it that would be taken for what is hidden. */
export function hasMarks(text: string): boolean {
  return text.includes('${kept:')
}

/**
 * Closed by default: a value is shown only where the key tables know its place and do not call it a secret. Also
 * hidden: the part of an address before the @ or behind its `?`, and text in a comment that looks like a value.
 * `${NAME}` and `${file:PATH}` without other text are not secrets.
 */
export function createVeil(markOf: MarkOf): Veil {
  const kept = new Map<string, { readonly source: string; readonly isWhole: boolean; readonly keys: Set<string> }>()

  function keep(source: string, { isWhole, key }: Secret): string {
    const mark = markOf(`${isWhole ? 'whole' : 'part'} ${source}`)
    const known = kept.get(mark)
    if (known === undefined) kept.set(mark, { source, isWhole, keys: new Set([key]) })
    else known.keys.add(key)
    return `\${kept:${mark}}`
  }

  return {
    hide(text) {
      let shown = ''
      let from = 0
      for (const secret of secretsOf(text)) {
        const mark = keep(text.slice(secret.start, secret.end), secret)
        shown += text.slice(from, secret.start) + (secret.isWhole ? `"${mark}"` : mark)
        from = secret.end
      }
      return shown + text.slice(from)
    },
    restore(shown) {
      const used: string[] = []
      const put = (whole: string, mark: string, isWhole: boolean) => {
        const one = kept.get(mark)
        if (one === undefined || one.isWhole !== isWhole) return whole
        used.push(mark)
        return one.source
      }
      const text = shown
        .replace(/"\$\{kept:([\w-]{8})\}"/g, (whole, mark: string) => put(whole, mark, true))
        .replace(/\$\{kept:([\w-]{8})\}/g, (whole, mark: string) => put(whole, mark, false))
      if (sayingsOf(text) === null) return { kind: 'broken' }
      const found = secretsOf(text).map(secret => ({ ...secret, source: text.slice(secret.start, secret.end) }))
      const exposed = [...new Set(used)].filter(mark => {
        const one = kept.get(mark)
        const again = found.filter(
          ({ source, isWhole, key }) => source === one?.source && isWhole === one.isWhole && one.keys.has(key),
        )
        return again.length < used.filter(other => other === mark).length
      })
      return exposed.length === 0
        ? { kind: 'whole', text }
        : { kind: 'exposed', keys: exposed.flatMap(mark => [...(kept.get(mark)?.keys ?? [])]) }
    },
  }
}
