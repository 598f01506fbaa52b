/** The texts of the files in use, handed to a worker, so that it starts with these and not with newer ones. */

import { basename, dirname } from 'node:path'
import type { Sources } from '../config/text/substitute.ts'

/** A file and each that it includes, by their absolute paths, as one line for another process. */
export function writeTexts(texts: ReadonlyMap<string, string>): string {
  return JSON.stringify([...texts])
}

/** The files that `writeTexts` wrote; none for nothing. Throws TypeError for anything else. */
export function parseTexts(text: string): ReadonlyMap<string, string> {
  const raw: unknown = text === '' ? [] : JSON.parse(text)
  if (!Array.isArray(raw) || !raw.every(isEntry)) throw new TypeError('these are not the files in use')
  return new Map(raw)
}

function isEntry(raw: unknown): raw is [string, string] {
  return Array.isArray(raw) && raw.length === 2 && raw.every(part => typeof part === 'string')
}

/** Files as they are on disk, but for some that are as they were: in their folders there is nothing else to include. */
export function withTexts<S extends Pick<Sources, 'readText' | 'listFolder'>>(
  sources: S,
  texts: ReadonlyMap<string, string>,
  isMeant: () => boolean,
): S {
  return {
    ...sources,
    readText: path => (isMeant() ? (texts.get(path) ?? sources.readText(path)) : sources.readText(path)),
    listFolder: path =>
      isMeant()
        ? [...texts.keys()].filter(one => dirname(one) === path).map(one => basename(one))
        : (sources.listFolder?.(path) ?? []),
  }
}
