/** A node of a YAML document, as far as it matters here: scalars are text. */
export type Yaml = YamlText | YamlList | YamlMap

interface YamlText {
  readonly kind: 'text'
  readonly text: string
  readonly line: number
}

interface YamlList {
  readonly kind: 'list'
  readonly items: readonly Yaml[]
  readonly line: number
}

interface YamlMap {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, Yaml>
  readonly line: number
}

/** The documents of a file, or the first line that is no YAML. */
export type ParsedYaml =
  | { readonly ok: true; readonly documents: readonly Yaml[] }
  | { readonly ok: false; readonly line: number; readonly why: string }

/** Aliases may stand for a document that is far longer than its text. */
const MAX_NODES = 100_000

/**
 * YAML 1.2 with the merge keys of 1.1, which compose files are written with. The only importer of the YAML parser, which is loaded with
 * the first file that needs it. Answers without the text of a line: that may hold a secret.
 */
export async function parseYaml(text: string): Promise<ParsedYaml> {
  const { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } = await import('yaml')
  const lines = new LineCounter()
  const parsed = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, strict: true })
  let count = 0
  const documents: Yaml[] = []
  // For a file without a document, the answer is an empty list with fields of its own.
  for (const document of parsed) {
    const [error] = document.errors
    if (error !== undefined) {
      return {
        ok: false,
        line: error.linePos?.[0].line ?? 1,
        why: `this is not YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`,
      }
    }
    const convert = (node: unknown, above: number): Yaml => {
      if (++count > MAX_NODES) throw new RangeError('too many nodes')
      const range = (node as { readonly range?: readonly number[] | null } | null)?.range
      const line = range?.[0] === undefined ? above : lines.linePos(range[0]).line
      if (isAlias(node)) return convert(node.resolve(document), above)
      if (isSeq(node)) return { kind: 'list', items: node.items.map(item => convert(item, line)), line }
      if (isMap(node)) {
        const own = new Map<string, Yaml>()
        const merged = new Map<string, Yaml>()
        for (const { key, value } of node.items) {
          const name = isScalar(key) ? String(key.value) : ''
          const keyLine = isScalar(key) && key.range ? lines.linePos(key.range[0]).line : line
          const made = convert(value, keyLine)
          if (name !== '<<') own.set(name, made.kind === 'text' ? { ...made, line: keyLine } : made)
          else
            for (const one of made.kind === 'list' ? made.items : [made]) {
              if (one.kind === 'map')
                for (const [inner, it] of one.entries) if (!merged.has(inner)) merged.set(inner, it)
            }
        }
        return { kind: 'map', entries: new Map([...merged, ...own]), line }
      }
      const value = isScalar(node) ? node.value : null
      return { kind: 'text', text: value === null || value === undefined ? '' : String(value), line }
    }
    try {
      documents.push(convert(document.contents, 1))
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error
      return { ok: false, line: 1, why: 'this is not a YAML file of any use: it repeats itself too often' }
    }
  }
  return { ok: true, documents }
}

/** What is at a place below a node; null where there is nothing. */
export function at(node: Yaml | null, ...path: readonly string[]): Yaml | null {
  let found = node
  for (const key of path) found = found?.kind === 'map' ? (found.entries.get(key) ?? null) : null
  return found
}

/** A scalar's text; null for none. */
export function textAt(node: Yaml | null, ...path: readonly string[]): string | null {
  const found = at(node, ...path)
  return found?.kind === 'text' ? found.text : null
}

/** A list's items, or the one that stands in place of a list. */
export function itemsAt(node: Yaml | null, ...path: readonly string[]): readonly Yaml[] {
  const found = at(node, ...path)
  if (found === null) return []
  return found.kind === 'list' ? found.items : [found]
}

/** A table's entries; none for anything else. */
export function entriesAt(node: Yaml | null, ...path: readonly string[]): readonly (readonly [string, Yaml])[] {
  const found = at(node, ...path)
  return found?.kind === 'map' ? [...found.entries] : []
}
