import { expandImports, type Files, type Followed } from './imports.ts'
import { lexCaddyfile, type Token } from './lex.ts'

/** A directive with its arguments and its block; null where it has none. */
export interface Directive {
  readonly name: string
  readonly args: readonly string[]
  readonly line: number
  readonly block: readonly Directive[] | null
}

/** A site: its addresses and what it does. */
export interface Site {
  readonly addresses: readonly string[]
  readonly line: number
  readonly block: readonly Directive[]
}

export interface Caddyfile {
  readonly options: readonly Directive[]
  readonly sites: readonly Site[]
  /** It and every file that it imports, as absolute paths. */
  readonly files: readonly string[]
  /** Imports that were followed; those that could not be are directives. */
  readonly imports: readonly Followed[]
}

export type ParsedCaddyfile =
  | { readonly ok: true; readonly value: Caddyfile }
  | { readonly ok: false; readonly line: number; readonly why: string }

/** No file that anyone wrote by hand is deeper. */
const MAX_DEPTH = 64

/** Thrown and caught in this file alone. */
class Broken extends Error {
  readonly line: number
  constructor(line: number, why: string) {
    super(why)
    this.line = line
  }
}

/**
 * The tree of a Caddyfile: global options and sites; or the first place where it is none. Never throws for any text.
 *
 * `file` is where it is, for what it imports from `files`.
 */
export function parseCaddyfile(text: string, file: string, files: Files): ParsedCaddyfile {
  const lexed = lexCaddyfile(text)
  if (!lexed.ok) return lexed
  const expanded = expandImports(lexed.tokens, file, files)
  if (!expanded.ok) return expanded
  try {
    return { ok: true, value: { ...readFile(expanded.tokens), imports: expanded.followed, files: expanded.files } }
  } catch (thrown) {
    if (!(thrown instanceof Broken)) throw thrown
    return { ok: false, line: thrown.line, why: thrown.message }
  }
}

function readFile(tokens: readonly Token[]): Omit<Caddyfile, 'imports' | 'files'> {
  const options: Directive[] = []
  let hasSnippet = false
  const sites: Site[] = []
  let at = 0
  while (at < tokens.length) {
    const first = tokens[at]
    if (first === undefined) break
    if (first.brace === '}') throw new Broken(first.line, 'a } closes nothing')
    if (first.brace === '{') {
      const read = readBlock(tokens, at + 1, first.line, 1)
      options.push(...read.directives)
      at = read.next
      continue
    }
    const head: Token[] = []
    // Addresses may go on in the next line after a comma.
    while (tokens[at] !== undefined && tokens[at]?.brace === null) {
      const token = tokens[at]
      if (token === undefined) break
      const before = head.at(-1)
      if (token.startsLine && before !== undefined && !before.text.endsWith(',')) break
      head.push(token)
      at++
    }
    const opening = tokens[at]
    const snippet = /^\((.+)\)$/.exec(first.text)?.[1]
    if (opening?.brace !== '{') {
      if (sites.length > 0 || hasSnippet || snippet !== undefined) {
        throw new Broken(first.line, 'a site needs a block in braces where there is more than one')
      }
      const rest = readBlock(tokens, at, first.line, 0)
      sites.push({ addresses: addressesOf(head), line: first.line, block: rest.directives })
      at = rest.next
      continue
    }
    const read = readBlock(tokens, at + 1, opening.line, 1)
    at = read.next
    // A named route serves nothing by itself; invoke, which does, closes.
    if (/^&\(.+\)$/.test(first.text)) continue
    // Neither does a snippet: what imports it has its words by now.
    if (snippet !== undefined) hasSnippet = true
    else sites.push({ addresses: addressesOf(head), line: first.line, block: read.directives })
  }
  return { options, sites }
}

function addressesOf(head: readonly Token[]): readonly string[] {
  return head.flatMap(({ text }) => text.split(',')).filter(address => address !== '')
}

/** Directives up to the brace that closes them; at depth 0 to the end of the file. */
function readBlock(
  tokens: readonly Token[],
  start: number,
  openedAt: number,
  depth: number,
): { readonly directives: readonly Directive[]; readonly next: number } {
  if (depth > MAX_DEPTH) throw new Broken(openedAt, 'blocks stand in each other absurdly deep')
  const directives: Directive[] = []
  let at = start
  for (;;) {
    const first = tokens[at]
    if (first === undefined) {
      if (depth > 0) throw new Broken(openedAt, 'this { is not closed')
      return { directives, next: at }
    }
    if (first.brace === '}') {
      if (depth === 0) throw new Broken(first.line, 'a } closes nothing')
      return { directives, next: at + 1 }
    }
    if (first.brace === '{') throw new Broken(first.line, 'a block without a directive')
    at++
    const args: string[] = []
    let block: readonly Directive[] | null = null
    for (let token = tokens[at]; token !== undefined && !token.startsLine; token = tokens[at]) {
      if (token.brace === '}') break
      at++
      if (token.brace === '{') {
        const read = readBlock(tokens, at, token.line, depth + 1)
        block = read.directives
        at = read.next
        break
      }
      args.push(token.text)
    }
    directives.push({ name: first.text, args, line: first.line, block })
  }
}
