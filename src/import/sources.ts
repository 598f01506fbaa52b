import { createLocator } from '../config/text/locate.ts'
import { parseToml } from '../config/text/parse.ts'
import { renderDiagnostics } from '../config/text/render.ts'
import type { Blanks } from './blanks.ts'
import { convertCaddyfile } from './caddyfile/convert.ts'
import type { Files } from './caddyfile/imports.ts'
import { parseCaddyfile } from './caddyfile/parse.ts'
import type { Draft } from './draft.ts'
import type { Notes } from './notes.ts'
import { convertOauth2Proxy } from './oauth2-proxy/convert.ts'
import { readOptions } from './oauth2-proxy/options.ts'

/** What can be imported. */
export const KINDS = ['oauth2-proxy', 'caddyfile'] as const
export type Kind = (typeof KINDS)[number]

/** What every importer is given. */
export interface Tools {
  readonly notes: Notes
  readonly blanks: Blanks
  readonly host: string | null
  readText(path: string): string
}

/** Where the old file is. */
export interface OldFile {
  readonly path: string
  /** As it was named. */
  readonly shownAs: string
  /** What it may name. */
  readonly files: Files
}

/** A file that can be read, as what makes the new one; or why it cannot. */
export type Source =
  | { readonly ok: true; readonly convert: (tools: Tools) => Draft }
  | { readonly ok: false; readonly why: string }

/** Reads the old file's syntax, as what it is said or seen to be. */
export function findSource(text: string, file: OldFile, stated: Kind | null, colour: boolean): Source {
  switch (stated ?? seeKind(text)) {
    case 'caddyfile':
      return readCaddyfile(text, file)
    case 'oauth2-proxy':
      return readOauth2Proxy(text, file.shownAs, colour)
    case 'alpha':
      return {
        ok: false,
        why: `${file.shownAs} is the YAML of oauth2-proxy's --alpha-config, which is not read; import the oauth2-proxy.cfg beside it, and carry its upstreams and providers over by hand`,
      }
    case null:
      return {
        ok: false,
        why: `${file.shownAs} looks like neither an oauth2-proxy.cfg nor a Caddyfile; say which it is with --from`,
      }
  }
}

function seeKind(text: string): Kind | 'alpha' | null {
  if (/^(?:providers|upstreamConfig|injectRequestHeaders|injectResponseHeaders)\s*:/m.test(text)) return 'alpha'
  if (/^\s*[a-z0-9_]+\s*=/m.test(text)) return 'oauth2-proxy'
  return /\{\s*(?:#.*)?$/m.test(text) ? 'caddyfile' : null
}

function readOauth2Proxy(text: string, file: string, colour: boolean): Source {
  const parsed = parseToml(text)
  if (parsed.ok) {
    return { ok: true, convert: tools => convertOauth2Proxy({ ...tools, options: readOptions(parsed.value, text) }) }
  }
  const { code, message, hint } = parsed.refusal
  const place = createLocator(text).fromUnits(parsed.line, parsed.column)
  // The frame would show the line as it is, and a broken line may be the one with the secret.
  const diagnostic = { severity: 'error', code, message, hint, path: '', file, ...place } as const
  return { ok: false, why: renderDiagnostics([diagnostic], new Map(), { colour }) }
}

function readCaddyfile(text: string, { path, shownAs, files }: OldFile): Source {
  const parsed = parseCaddyfile(text, path, files)
  if (!parsed.ok) return { ok: false, why: `${shownAs}:${parsed.line}: ${parsed.why}` }
  return { ok: true, convert: tools => ({ sections: convertCaddyfile(tools, parsed.value), beside: null }) }
}
