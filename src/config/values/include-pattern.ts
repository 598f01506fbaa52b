import { basename, dirname } from 'node:path'
import { bad, good, type Parsed } from '../text/outcome.ts'
import { quote } from '../text/raw.ts'
import { parsed } from './value.ts'

/** A path of files, in whose last part a star is anything but a slash. */
export const includePattern = parsed(
  { label: 'path, a star for any name', expected: 'a path such as "conf.d/*.toml"' },
  (text, _, isFilled) =>
    isFilled || text.includes('${')
      ? bad('include.pattern', 'include takes paths as they stand, without references', 'write the path itself')
      : parseIncludePattern(text),
)

/** A pattern that can be looked for in one folder. */
export function parseIncludePattern(text: string): Parsed<string> {
  const not = (hint: string, mark?: string) =>
    bad('include.pattern', `${quote(text)} cannot be included`, hint, ...(mark === undefined ? [] : [mark]))
  if (text.includes('${')) return not('write the path itself, without references')
  if (text.endsWith('/')) return not('name the files in it: "conf.d/*.toml"')
  if (dirname(text).includes('*')) return not('a star stands for the name of a file, not for folders', '*')
  if (basename(text).includes('**')) return not('one star is enough: no folders are looked through', '**')
  const odd = /[?[\]{}]/.exec(text)?.[0]
  if (odd !== undefined) return not('a star alone stands for anything: "conf.d/*.toml"', odd)
  return good(text)
}
