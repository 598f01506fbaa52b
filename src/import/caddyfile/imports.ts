import { dirname, isAbsolute, join } from 'node:path'
import { codeOf } from '../../config/text/substitute.ts'
import { lexCaddyfile, type Token } from './lex.ts'

/** What an import may reach. Both throw for what is not there. */
export interface Files {
  readText(path: string): string
  /** The names in a folder, in any order. */
  listFolder(path: string): readonly string[]
}

/** A file's words with every import replaced by what it stands for; or the place of one that cannot be followed. */
export type Expanded =
  | {
      readonly ok: true
      readonly tokens: readonly Token[]
      readonly followed: readonly Followed[]
      /** Every file that was read, the first one among them. */
      readonly files: readonly string[]
    }
  | { readonly ok: false; readonly line: number; readonly why: string }

export interface Followed {
  readonly line: number
  readonly what: string
}

/** How often imports may stand in what is imported. */
const MAX_DEPTH = 16

/** Words that all imports together may come to. */
const MAX_TOKENS = 1_000_000

/** Thrown and caught in this file alone. */
class Lost extends Error {
  readonly line: number
  constructor(line: number, why: string) {
    super(why)
    this.line = line
  }
}

/**
 * Follows `import`: snippets with arguments and blocks, files and globs, relative to the file that they stand in.
 *
 * One that cannot be followed stays where it is, inside of a block; outside of all blocks it may be whole sites, so that the
 * file cannot be understood without it. What comes from another file has the line of the import.
 * Source: caddyserver.com/docs/caddyfile/directives/import.
 */
export function expandImports(tokens: readonly Token[], file: string, files: Files): Expanded {
  const followed: Followed[] = []
  const snippets = new Map<string, Source>()
  const read = new Set([file])
  let count = 0

  function expand(words: readonly Token[], from: string, outerDepth: number, level: number): readonly Token[] {
    const out: Token[] = []
    let depth = outerDepth
    for (let at = 0; at < words.length; at++) {
      const token = words[at]
      if (token === undefined) break
      if (++count > MAX_TOKENS) throw new Lost(token.line, 'imports come to absurdly many words')
      const name = /^\((.+)\)$/.exec(token.text)?.[1]
      if (depth === 0 && token.startsLine && name !== undefined && words[at + 1]?.brace === '{') {
        const end = closingBrace(words, at + 1)
        snippets.set(name, { words: words.slice(at + 2, end), path: from })
        out.push(...words.slice(at, end + 1))
        at = end
      } else if (token.startsLine && token.text === 'import' && token.brace === null) {
        const end = endOfLine(words, at + 1)
        const args = words.slice(at + 1, end)
        const hasBlock = words[end]?.brace === '{'
        const last = hasBlock ? closingBrace(words, end) : end - 1
        const block = hasBlock ? words.slice(end + 1, last) : []
        out.push(...follow(token, args, block, { from, depth, level }))
        at = last
      } else {
        if (token.brace === '{') depth++
        else if (token.brace === '}') depth--
        out.push(token)
      }
    }
    return out
  }

  function follow(
    token: Token,
    [target, ...args]: readonly Token[],
    block: readonly Token[],
    { from, depth, level }: { readonly from: string; readonly depth: number; readonly level: number },
  ): readonly Token[] {
    const found = target === undefined || level > MAX_DEPTH ? null : find(target.text, from, token.line)
    if (target === undefined || found === null) {
      if (depth > 0) return [token, ...(target === undefined ? [] : [target, ...args])]
      throw new Lost(
        token.line,
        `${target?.text ?? 'import'} cannot be followed from here, and may say who may come in`,
      )
    }
    followed.push({ line: token.line, what: target.text })
    const texts = args.map(({ text }) => text)
    return found.flatMap(({ words, path }) => expand(fill(words, texts, block), path, depth, level + 1))
  }

  function find(target: string, from: string, line: number): readonly Source[] | null {
    const snippet = snippets.get(target)
    if (snippet !== undefined) return [snippet]
    const pattern = isAbsolute(target) ? target : join(dirname(from), target)
    try {
      const paths = /[*?[]/.test(pattern) ? findFiles(pattern, files) : [pattern]
      return paths.map(path => {
        read.add(path)
        const lexed = lexCaddyfile(files.readText(path))
        if (!lexed.ok) throw new Lost(line, `${target}, line ${lexed.line}: ${lexed.why}`)
        return { words: lexed.tokens.map(word => ({ ...word, line })), path }
      })
    } catch (thrown) {
      if (thrown instanceof Lost) throw thrown
      return null
    }
  }

  try {
    return { ok: true, tokens: expand(tokens, file, 0, 0), followed, files: [...read] }
  } catch (thrown) {
    if (!(thrown instanceof Lost)) throw thrown
    return { ok: false, line: thrown.line, why: thrown.message }
  }
}

interface Source {
  readonly words: readonly Token[]
  readonly path: string
}

function endOfLine(words: readonly Token[], start: number): number {
  const end = words.findIndex((word, at) => at >= start && (word.startsLine || word.brace !== null))
  return end === -1 ? words.length : end
}

/** Where the brace that opens at `start` is closed; the last word where it is not. */
function closingBrace(words: readonly Token[], start: number): number {
  let depth = 0
  for (let at = start; at < words.length; at++) {
    if (words[at]?.brace === '{') depth++
    else if (words[at]?.brace === '}' && --depth === 0) return at
  }
  return words.length - 1
}

/** `{args[0]}`, `{args.0}` as it was before, `{args[1:]}` and `{block}`, `{blocks.NAME}`. */
function fill(words: readonly Token[], args: readonly string[], block: readonly Token[]): readonly Token[] {
  return words.flatMap(word => {
    if (word.text === '{block}') return block
    const name = /^\{blocks\.(.+)\}$/.exec(word.text)?.[1]
    if (name !== undefined) return blockNamed(block, name)
    const range = /^\{args\[(\d*):(\d*)\]\}$/.exec(word.text)
    if (range !== null) {
      const [from, to] = [Number(range[1]), range[2] === '' ? args.length : Number(range[2])]
      return args.slice(from, to).map((text, index) => ({ ...word, text, startsLine: word.startsLine && index === 0 }))
    }
    const text = word.text.replace(/\{args(?:\[(\d+)\]|\.(\d+))\}/g, (whole, index?: string, old?: string) => {
      return args[Number(index ?? old)] ?? whole
    })
    return [{ ...word, text }]
  })
}

/** What a block says under a name: the rest of its line, or the block that opens there. */
function blockNamed(block: readonly Token[], name: string): readonly Token[] {
  const at = block.findIndex(word => word.startsLine && word.text === name)
  if (at === -1) return []
  const end = endOfLine(block, at + 1)
  return block[end]?.brace === '{' ? block.slice(end + 1, closingBrace(block, end)) : block.slice(at + 1, end)
}

/** The files of a glob, by name. Throws where the folder of its fixed part is not there, or another cannot be read. */
function findFiles(pattern: string, files: Files): readonly string[] {
  const parts = pattern.split('/')
  const first = parts.findIndex(part => /[*?[]/.test(part))
  let paths: readonly string[] = [parts.slice(0, first).join('/') || '/']
  for (const [index, part] of parts.slice(first).entries()) {
    paths = paths.flatMap(folder => {
      const names = index === 0 ? files.listFolder(folder) : listOrNone(folder, files)
      const matching = names.filter(name => isNamedBy(part, name) && !(part.startsWith('*') && name.startsWith('.')))
      return [...matching].sort().map(name => join(folder, name))
    })
  }
  return paths
}

/** What is in a folder; nothing where it is a file, or a link to nowhere. Throws for one that cannot be read: a rule may stand in it. */
function listOrNone(folder: string, files: Files): readonly string[] {
  try {
    return files.listFolder(folder)
  } catch (thrown) {
    const code = codeOf(thrown)
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw thrown
  }
}

function isNamedBy(part: string, name: string): boolean {
  const source = part
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name)
}
