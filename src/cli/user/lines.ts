/** Files of users as lines of `NAME:VALUE`: read, changed, and written in one step. */

import { isUtf8 } from 'node:buffer'
import { dirname, resolve } from 'node:path'
import { GateError } from '../../base/errors.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { withoutMark } from '../../config/values/htpasswd.ts'
import { findServiceUser, groupForSecrets } from '../../console/drop-root.ts'
import type { Io } from '../../console/io.ts'
import { replaceFile, whyUnwritten } from '../../console/replace-file.ts'

/** The lines of a file of `NAME:VALUE` as they are, without the last break; none for one that is not there yet. Throws `config.unreadable`. */
export function readLines(path: string, io: Io): readonly string[] {
  const text = withoutMark(readWhole(path, io))
  return text === '' ? [] : text.replace(/\n$/, '').split('\n')
}

/** The text of a file; empty for one that is not there yet. Throws `config.unreadable`, also where writing it again would lose letters. */
export function readWhole(path: string, io: Io): string {
  let bytes: Uint8Array
  try {
    bytes = io.readBytes(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw new GateError('config.unreadable', `${path} ${whyUnreadable(error)}`)
  }
  if (!isUtf8(bytes)) throw new GateError('config.unreadable', `${path} is not UTF-8 text: save it as UTF-8 first`)
  return Buffer.from(bytes).toString('utf8')
}

/** Where somebody's line is; -1 for none. */
export function findLine(lines: readonly string[], name: string): number {
  return lines.findIndex(line => nameOf(line) === name)
}

/** The lines with this one in place of that name's, which may be several, or at the end. */
export function putLine(lines: readonly string[], name: string, value: string): readonly string[] {
  const at = findLine(lines, name)
  const line = `${name}:${value}`
  return at === -1 ? [...lines, line] : [...lines.slice(0, at), line, ...dropLines(lines.slice(at), name)]
}

/** The lines without those of that name. */
export function dropLines(lines: readonly string[], name: string): readonly string[] {
  return lines.filter(line => nameOf(line) !== name)
}

function nameOf(line: string): string | null {
  const colon = line.indexOf(':')
  return line.startsWith('#') || colon < 1 ? null : line.slice(0, colon)
}

/**
 * Replaces the file atomically, so that no server ever reads half of it. A new file is readable only by its owner
 * (0600), or also by the service, like one that `init` writes. An existing file keeps owner and mode, since the server
 * may run as another user. `beside` is a file whose owner a new one gets.
 *
 * Throws `config.unreadable` where it cannot be written.
 */
export function writeLines(path: string, lines: readonly string[], beside: string | null = null): void {
  writeWhole(path, lines.map(line => `${line}\n`).join(''), beside)
}

/** The same for a text. */
export function writeWhole(path: string, text: string, beside: string | null = null): void {
  try {
    replaceFile(path, text, { beside, readableBy: groupForSecrets(dirname(resolve(path)), findServiceUser()) })
  } catch (cause) {
    throw new GateError('config.unreadable', `${path} ${whyUnwritten(path, cause)}`, { cause })
  }
}
