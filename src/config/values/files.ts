/** Reads the files that routes.toml names, each once in one check. */

import { resolve } from 'node:path'
import { sha256 } from '../../base/bytes.ts'
import { codeOf, isForbidden, nearestFile, type Sources, whyUnreadable } from '../text/substitute.ts'

interface Unreadable {
  readonly ok: false
  /** As the end of a sentence. */
  readonly why: string
  /** A file beside it that has nearly its name, where it does not exist; null: none has. */
  readonly near: string | null
}

/** A file's text, or why it cannot be read. */
type FileText = { readonly ok: true; readonly text: string } | Unreadable

/** The same for a file that is not text. */
type FileBytes = { readonly ok: true; readonly bytes: Uint8Array } | Unreadable

/** Files that routes.toml names by their paths, each read once in one check. */
export interface ConfigFiles {
  /** A relative path starts at the config file's folder. */
  read(path: string): FileText
  readBytes(path: string): FileBytes
  /** Why there is no folder at a path, as the end of a sentence; null where there is one. Nothing in it is read or watched. */
  whyNoFolder(path: string): string | null
  /**
   * Why a path leads to no text, as the end of a sentence; null where it does. The content is neither kept nor
   * watched.
   */
  whyNoText(path: string): string | null
  /** What is beside a path that does not exist and has nearly its name; null: nothing has. */
  near(path: string): string | null
  /** Absolute paths of all that were asked for, readable or not: what a reload has to watch. */
  readonly paths: readonly string[]
  /** What was read, in order. Secret: for hashing only. */
  readonly contents: readonly string[]
}

/** Files below a config file's folder; nothing is read before it is asked for. */
export function createConfigFiles(
  directory: string,
  sources: Pick<Sources, 'readText' | 'readBytes' | 'listFolder'>,
): ConfigFiles {
  const texts = new Map<string, FileText>()
  const binaries = new Map<string, FileBytes>()

  function readOnce<T>(
    known: Map<string, T | Unreadable>,
    path: string,
    read: (absolute: string) => T,
  ): T | Unreadable {
    const absolute = resolve(directory, path)
    const before = known.get(absolute)
    if (before !== undefined) return before
    let file: T | Unreadable
    try {
      file = read(absolute)
    } catch (error) {
      file = { ok: false, why: whyUnreadable(error), near: nearestFile(absolute, sources) }
    }
    known.set(absolute, file)
    return file
  }

  /** Whether a path leads to what is no folder, which may be known of what may not be read. */
  function isFile(path: string): boolean {
    try {
      sources.readBytes(`${resolve(directory, path)}/.`)
    } catch (error) {
      return codeOf(error) === 'ENOTDIR'
    }
    return false
  }

  return {
    read: path => readOnce(texts, path, absolute => ({ ok: true, text: sources.readText(absolute) })),
    readBytes: path => readOnce(binaries, path, absolute => ({ ok: true, bytes: sources.readBytes(absolute) })),
    whyNoFolder(path) {
      try {
        sources.readBytes(resolve(directory, path))
        return 'is a file'
      } catch (error) {
        const code = codeOf(error)
        if (code === 'EISDIR') return null
        return code === 'EFBIG' || (isForbidden(code) && isFile(path)) ? 'is a file' : whyUnreadable(error)
      }
    },
    whyNoText(path) {
      try {
        return sources.readText(resolve(directory, path)).trim() === '' ? 'is empty' : null
      } catch (error) {
        return whyUnreadable(error)
      }
    },
    near: path => nearestFile(resolve(directory, path), sources),
    get paths() {
      return [...new Set([...texts.keys(), ...binaries.keys()])]
    },
    get contents() {
      return [
        ...[...texts.values()].flatMap(file => (file.ok ? [file.text] : [])),
        ...[...binaries.values()].flatMap(file => (file.ok ? [sha256(file.bytes)] : [])),
      ]
    },
  }
}
