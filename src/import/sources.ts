import type { Blanks } from './blanks.ts'
import { convertCaddyJson, isCaddyJson } from './caddy/convert.ts'
import { convertCaddyfile } from './caddyfile/convert.ts'
import type { Files } from './caddyfile/imports.ts'
import { parseCaddyfile } from './caddyfile/parse.ts'
import type { Draft } from './draft.ts'
import type { Notes } from './notes.ts'
import { convertOauth2Proxy } from './oauth2-proxy/convert.ts'
import type { OldText } from './oauth2-proxy/inputs/files.ts'
import { readInputs, seeInput } from './oauth2-proxy/inputs/read.ts'

/** What can be imported. */
export const KINDS = ['oauth2-proxy', 'caddyfile', 'caddy'] as const
type Kind = (typeof KINDS)[number]

/** What every importer is given. */
interface Tools {
  readonly notes: Notes
  readonly blanks: Blanks
  readonly host: string | null
  readText(path: string): string
}

/** All that is imported at once. */
export interface OldSetUp {
  readonly texts: readonly OldText[]
  /** Flags of oauth2-proxy. */
  readonly flags: readonly string[]
  /** Null: seen from the texts. */
  readonly kind: Kind | null
  /** What the texts may name. */
  readonly files: Files
}

/** Files that can be read, as what makes the new one; or why they cannot. */
export type Source =
  | {
      readonly ok: true
      readonly convert: (tools: Tools) => Draft
      /** Which of several files an option is in; null where there is one. */
      readonly fileOf: (option: string) => string | null
    }
  | { readonly ok: false; readonly why: string }

/** Reads the syntax of the old files, as what they are said or seen to be. */
export async function findSource(setUp: OldSetUp, colour: boolean): Promise<Source> {
  const { texts, flags, kind, files } = setUp
  for (const one of kind === null ? texts : []) {
    if (seeKind(one) === null) {
      const why = `${one.shownAs} looks like neither a file of oauth2-proxy nor a Caddyfile; say which it is with --from`
      return { ok: false, why }
    }
  }
  const kinds = new Set(kind === null ? texts.map(seeKind) : [kind])
  const [first, ...others] = texts
  if (kinds.has('caddy') && first !== undefined) return others.length + flags.length > 0 ? ALONE : readCaddyJson(first)
  if (!kinds.has('caddyfile')) return readOauth2Proxy(setUp, colour)
  if (first !== undefined && others.length === 0 && flags.length === 0) return readCaddyfile(first, files)
  return { ok: false, why: 'a Caddyfile is imported by itself: what it imports is read along with it' }
}

const ALONE: Source = { ok: false, why: 'what Caddy makes of its file is imported by itself' }

function seeKind(one: OldText): Kind | null {
  if (isCaddyJson(jsonOf(one.text))) return 'caddy'
  if (seeInput(one) !== null) return 'oauth2-proxy'
  return /\{\s*(?:#.*)?$/m.test(one.text) ? 'caddyfile' : null
}

async function readOauth2Proxy({ texts, flags, files }: OldSetUp, colour: boolean): Promise<Source> {
  const read = await readInputs(texts, flags, files.readText, colour)
  if (!read.ok) return read
  const inputs = read.value
  return {
    ok: true,
    fileOf: inputs.options.file,
    convert: tools => convertOauth2Proxy({ ...tools, ...inputs }),
  }
}

function readCaddyfile({ text, path, shownAs }: OldText, files: Files): Source {
  const parsed = parseCaddyfile(text, path, files)
  if (!parsed.ok) return { ok: false, why: `${shownAs}:${parsed.line}: ${parsed.why}` }
  const convert = (tools: Tools) => ({ sections: convertCaddyfile(tools, parsed.value), beside: null })
  return { ok: true, convert, fileOf: () => null }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readCaddyJson({ text, shownAs }: OldText): Source {
  const json = jsonOf(text)
  if (!isCaddyJson(json)) return { ok: false, why: `${shownAs} is not what Caddy makes of its file (caddy adapt)` }
  return { ok: true, convert: tools => ({ sections: convertCaddyJson(tools, json), beside: null }), fileOf: () => null }
}
