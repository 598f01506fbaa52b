import { resolve } from 'node:path'
import { bad, good, type Parsed } from '../../text/outcome.ts'
import { quote } from '../../text/raw.ts'
import type { LogPlace } from '../../types/log.ts'

/** A place for lines, once the config file's folder is known. */
export type LogPlaceAt = (directory: string) => LogPlace

/** What nobody means to have lines added to. */
const PRECIOUS = /\.(?:toml|db(?:-\w+)?|key|pem|crt)$/i

/** `stdout`, `stderr`, or the path of a file, which has a slash in it so that a misspelt word is none. */
export function parseLogPlace(text: string): Parsed<LogPlaceAt> {
  if (text === 'stdout' || text === 'stderr') return good(() => text)
  const not = `${quote(text)} is no place for a log`
  if (!text.includes('/')) {
    return bad('log.place', not, `"stdout", "stderr", or a path with a slash in it: "./${text}"`)
  }
  if (text.endsWith('/')) return bad('log.place', not, `name the file, not its folder: "${text}sallyport.log"`)
  if (PRECIOUS.test(text)) return bad('log.place', not, 'lines would be added to it; name a file of its own')
  return good(directory => pathIn(directory, text))
}

function pathIn(directory: string, text: string): LogPlace {
  const path = resolve(directory, text)
  return `/${path.replace(/^\/+/, '')}`
}
