/** Formats TOML (the formatter is WebAssembly, loaded for `fmt` alone). */

import { isDeepStrictEqual } from 'node:util'
import * as binary from '../../node_modules/@tombi-toml/wasm-lib/dist/tombi_wasm_bg.wasm' with { type: 'file' }
import { parseToml } from '../config/text/parse.ts'
import { commentsOf } from '../config/text/positions.ts'

/** A formatted text, or why there is none, as a sentence. */
type Formatted = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly why: string }

export type Format = (text: string) => Promise<Formatted>

/** Inline tables are broken into lines only where a file has such tables already: that is TOML 1.1, which not every editor knows. */
const VERSIONS = ['v1.0.0', 'v1.1.0'] as const

const LINE_WIDTH = 110

/**
 * The formatter, loaded on first use: it is a part of the executable, some megabytes long, and reads nothing else.
 *
 * Its output is compared with the input: every value and every comment has to be the same. Otherwise there is no
 * formatted text.
 */
export async function openFormatter(): Promise<Format> {
  const { initSync, format } = await import('@tombi-toml/wasm-lib')
  initSync({ module: await unpacked(Bun.file(pathOf(binary))) })
  return async text => {
    for (const version of VERSIONS) {
      const { formatted } = await format(text, 'routes.toml', { config: configFor(version) })
      if (formatted !== undefined) return sameAs(text, formatted)
    }
    return { ok: false, why: 'the formatter does not understand it' }
  }
}

/** WebAssembly as it is, or as the executable has it: packed. Source: RFC 8878 §3.1.1 (how Zstandard begins). */
async function unpacked(file: Blob): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await file.bytes()
  return ZSTANDARD.every((byte, at) => bytes[at] === byte) ? new Uint8Array(Bun.zstdDecompressSync(bytes)) : bytes
}

const ZSTANDARD = [0x28, 0xb5, 0x2f, 0xfd]

function configFor(version: string): string {
  return `toml-version = "${version}"\n[schema]\nenabled = false\n[format.rules]\nline-width = ${LINE_WIDTH}\n`
}

function sameAs(before: string, after: string): Formatted {
  if (!isDeepStrictEqual(parseToml(before), parseToml(after))) return { ok: false, why: 'its meaning would change' }
  const [comments, kept] = [commentsOf(before), commentsOf(after)]
  return comments !== null && isDeepStrictEqual(comments, kept)
    ? { ok: true, text: after }
    : { ok: false, why: 'a comment would be lost or moved' }
}

/** Where the runtime has a file that is a part of the program; its own types say what is in it. */
function pathOf(module: object): string {
  const path: unknown = Reflect.get(module, 'default')
  if (typeof path !== 'string') throw new TypeError('a file is imported by its path')
  return path
}
