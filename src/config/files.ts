import { resolve } from 'node:path'
import { type Sources, whyUnreadable } from './substitute.ts'

/** A file's text, or why it cannot be read, as the end of a sentence. */
export type FileText = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string }

/** Files that routes.toml names by their paths, each read once in one check. */
export interface ConfigFiles {
  /** A relative path starts at the config file's folder. */
  read(path: string): FileText
  /** Absolute paths of all that were asked for, readable or not: what a reload has to watch. */
  readonly paths: readonly string[]
  /** What was read, in order. Secret: for hashing only. */
  readonly contents: readonly string[]
}

/** Files below a config file's folder; nothing is read before it is asked for. */
export function createConfigFiles(directory: string, sources: Pick<Sources, 'readText'>): ConfigFiles {
  const known = new Map<string, FileText>()
  return {
    read(path) {
      const absolute = resolve(directory, path)
      const before = known.get(absolute)
      if (before !== undefined) return before
      let file: FileText
      try {
        file = { ok: true, text: sources.readText(absolute) }
      } catch (error) {
        file = { ok: false, why: whyUnreadable(error) }
      }
      known.set(absolute, file)
      return file
    },
    get paths() {
      return [...known.keys()]
    },
    get contents() {
      return [...known.values()].flatMap(file => (file.ok ? [file.text] : []))
    },
  }
}
