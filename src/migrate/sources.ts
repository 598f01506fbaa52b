/** What is imported: which program a file is from, and what reads it. */

import {
  type Adapting,
  adaptCaddyfile,
  askRunning,
  type CaddyJson,
  isCaddyJson,
  parseCaddyJson,
} from './caddy/adapt.ts'
import { convertCaddyJson } from './caddy/convert.ts'
import type { Draft, Tools } from './draft.ts'
import { convertOauth2Proxy } from './oauth2-proxy/convert.ts'
import { readInputs, seeInput } from './oauth2-proxy/inputs.ts'
import { type OldText, splitWords, Unreadable } from './oauth2-proxy/old-texts.ts'
import { tellOther } from './others/others.ts'

/** What can be imported. */
export const KINDS = ['oauth2-proxy', 'caddyfile', 'caddy'] as const
type Kind = (typeof KINDS)[number]

/** All that is imported at once. */
export interface OldSetUp {
  readonly texts: readonly OldText[]
  /** Flags of oauth2-proxy. */
  readonly flags: readonly string[]
  /** Null: seen from the texts. */
  readonly kind: Kind | null
  /** What the texts may name. */
  readText(path: string): string
  /** The Caddys of this machine that may be run; `command` is what --caddy says. */
  readonly caddy: Pick<Adapting, 'cwd' | 'env' | 'installed'> & { readonly command: string | null }
  /** A running Caddy that was named: where it is asked, and how it was written. */
  readonly running: { readonly url: string; readonly shownAs: string } | null
}

/** Files that can be read, as what makes the new one; or why they cannot. */
export type Source =
  | { readonly ok: true; readonly convert: (tools: Tools) => Draft }
  | { readonly ok: false; readonly why: string; readonly isUsage?: boolean }

/** Reads the syntax of the old files, as what they are said or seen to be. */
export async function findSource(setUp: OldSetUp, colour: boolean): Promise<Source> {
  const { texts, flags, running } = setUp
  // An operator who names a Caddy has a Caddyfile.
  const isNamed = setUp.caddy.command !== null && !texts.some(one => isCaddyJson(one.text))
  const kind = setUp.kind ?? (isNamed ? 'caddyfile' : null)
  for (const one of kind === null ? texts : []) {
    const why = await tellOther(one)
    if (why !== null) return { ok: false, why, isUsage: true }
    if (seeKind(one) === null) {
      const why = `${one.shownAs} looks like neither a file of oauth2-proxy nor a Caddyfile nor Caddy's JSON; say which it is with --from`
      return { ok: false, why }
    }
  }
  const kinds = new Set(kind === null ? texts.map(seeKind) : [kind])
  const [first, ...others] = texts
  const isAlone = others.length === 0 && flags.length === 0
  if (running !== null && first === undefined && isAlone) {
    return fromCaddy(await askRunning(running.url, running.shownAs))
  }
  if (running === null && !kinds.has('caddyfile') && !kinds.has('caddy')) return readOauth2Proxy(setUp, colour)
  if (running !== null || first === undefined || !isAlone) {
    return {
      ok: false,
      why: "a Caddyfile or Caddy's JSON is imported by itself: what a Caddyfile imports is read along with it",
    }
  }
  if (kinds.has('caddy')) return fromCaddy(parseCaddyJson(first.text, first.shownAs))
  return readCaddyfile(first, setUp)
}

function seeKind(one: OldText): Kind | null {
  if (isCaddyJson(one.text)) return 'caddy'
  if (seeInput(one) !== null) return 'oauth2-proxy'
  return /(?:^|\/)[^/]*Caddyfile[^/]*$/i.test(one.path) || /\{\s*(?:#.*)?$/m.test(one.text) ? 'caddyfile' : null
}

async function readOauth2Proxy({ texts, flags, readText }: OldSetUp, colour: boolean): Promise<Source> {
  try {
    const inputs = await readInputs(texts, flags, readText, colour)
    return { ok: true, convert: tools => convertOauth2Proxy(inputs, tools) }
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, why: error.message }
    throw error
  }
}

async function readCaddyfile({ text, path, shownAs }: OldText, { caddy }: OldSetUp): Promise<Source> {
  const command = caddy.command === null ? null : splitWords(caddy.command).map(word => word.text)
  return fromCaddy(await adaptCaddyfile({ ...caddy, command, text, path, shownAs }))
}

/** What Caddy's own JSON says. */
function fromCaddy(read: CaddyJson): Source {
  if (!read.ok) return read
  const convert = (tools: Tools) => {
    for (const { option, line, say } of read.said) tools.notes.add('changed', option, line, say)
    return { sections: convertCaddyJson(tools, read.json), beside: null }
  }
  return { ok: true, convert }
}
