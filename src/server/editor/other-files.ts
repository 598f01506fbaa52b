/** What a draft may not do with the other files: include what lies elsewhere, or move their secrets. */

import { realpathSync } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'
import { isSecretText } from '../../config/hidden/secrets.ts'
import { includedPatterns, readIncluded } from '../../config/includes.ts'
import { createLocator } from '../../config/text/locate.ts'
import { parseToml } from '../../config/text/parse.ts'
import { formatPath } from '../../config/text/raw.ts'
import type { Sources } from '../../config/text/substitute.ts'
import type { Draft, Finding } from '../../portal/editor-interface.ts'
import { type Base, plainLines } from './drafts.ts'
import { movedSecrets, type Part, reachesOthers } from './secret-destinations.ts'

/** A draft of one of the files that are one configuration together, the first of which is at `path`. */
export interface Drafted {
  readonly path: string
  readonly base: Base
  readonly draft: Draft
  readonly sources: Sources
}

/**
 * What a draft may not include from here: all but files named `*.toml` below the folder of the file. What was included before may stay,
 * as it is written. Nothing is read, and of what is no TOML nothing is said.
 */
export function strayIncludes({ path, base, draft }: Drafted): readonly Finding[] {
  if (base.name !== path) return []
  const known = new Set(includedPatterns(base.shown))
  const home = realpathOr(dirname(path))
  return includedPatterns(draft.text)
    .filter(pattern => !known.has(pattern) && !isAtHome(resolve(dirname(path), pattern), home))
    .map(pattern => strayFinding(path, pattern))
}

/** Only by its folder, so that it does not reveal which files exist elsewhere. */
function isAtHome(pattern: string, home: string): boolean {
  return pattern.endsWith('.toml') && `${realpathOr(dirname(pattern))}${sep}`.startsWith(`${home}${sep}`)
}

/**
 * What a draft would change beyond its own lines: files that lie elsewhere by a link, and secrets that would be sent elsewhere. For a
 * draft without `strayIncludes`, since it reads what that includes.
 */
export function strayParts(drafted: Drafted): readonly Finding[] {
  const { path, base, draft, sources } = drafted
  const text = plainLines(draft.text)
  const home = realpathOr(dirname(path))
  const files = base.name === path ? [path, ...namesIncluded(path, text, sources)] : base.names
  const stray = files.filter(file => !base.names.includes(file) && !realpathOr(file).startsWith(home + sep))
  if (stray.length > 0) return stray.map(file => strayFinding(path, file))
  const [before, after] = [base.shown, text].map(one => partOf(base.name, one, ({ source }) => source.includes('${')))
  // What is no TOML is not saved, and says so itself.
  if (after == null) return []
  const own = before == null ? [] : [before]
  const isAlone = files.length === base.names.length && !reachesOthers(own, [after])
  const others = (names: readonly string[]) =>
    isAlone ? [] : names.filter(name => name !== base.name).flatMap(name => otherPart(name, sources))
  const moved = movedSecrets([...own, ...others(base.names)], [after, ...others(files)])
  return moved.map(({ file, at }) => {
    const place = createLocator(file === base.name ? text : (textOf(file, sources) ?? '')).find(at, 'value')
    // Of a file that was not among them, not even the names of its keys are for this page.
    const where = base.names.includes(file) ? formatPath(at) : 'a file that was not included before'
    const message = `${where}: a hidden secret would be sent to another place, or in another way, than before`
    return { severity: 'error', file, line: place.line, column: place.column, message, hint: SENT_HINT }
  })
}

const SENT_HINT =
  'change the destination of a secret in the file on the machine itself, or write the secret here in full'

/** The files that a text includes, by name. */
function namesIncluded(path: string, text: string, { listFolder }: Sources): readonly string[] {
  const sources = { readText: () => '', ...(listFolder === undefined ? {} : { listFolder }) }
  return readIncluded(text, { ...sources, file: path, shownAs: path }).files.map(({ path: file }) => file)
}

function partOf(file: string, text: string, isKept: Part['isKept']): Part | null {
  const parsed = parseToml(text)
  return parsed.ok ? { file, tree: parsed.value, isKept } : null
}

/** An unchanged file. */
function otherPart(name: string, sources: Sources): readonly Part[] {
  const text = textOf(name, sources)
  const part = text === null ? null : partOf(name, text, ({ at, source }) => isSecretText(at, source))
  return part === null ? [] : [part]
}

function textOf(name: string, sources: Sources): string | null {
  try {
    return sources.readText(name)
  } catch {
    return null
  }
}

function realpathOr(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function strayFinding(file: string, stray: string): Finding {
  return {
    severity: 'error',
    file,
    line: 1,
    column: 1,
    message: `${stray} was not included before, and is no .toml file in the folder of this one`,
    hint: 'on a page, only such files can be included; others are in the file on the machine itself',
  }
}
