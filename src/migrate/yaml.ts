/** YAML documents of other programs. */

/** YAML documents of other programs. */

/** A node of a YAML document, as far as it matters here: scalars are text. */
export type Yaml = { readonly line: number } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Yaml[] }
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, Yaml> }
)

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
  const documents: Yaml[] = []
  let count = 0
  // For a file without a document, the parser returns an empty list with additional properties.
  for (const document of parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, strict: true })) {
    const [error] = document.errors
    if (error !== undefined) {
      const why = `this is not YAML (${error.code.toLowerCase().replaceAll('_', ' ')})`
      return { ok: false, line: error.linePos?.[0].line ?? 1, why }
    }
    const lineOf = (node: unknown, above: number) => {
      const range = (node as { readonly range?: readonly number[] | null } | null)?.range
      return range?.[0] === undefined ? above : lines.linePos(range[0]).line
    }
    const convert = (node: unknown, above: number): Yaml => {
      if (++count > MAX_NODES) throw new RangeError('too many nodes')
      if (isAlias(node)) return convert(node.resolve(document), above)
      const line = lineOf(node, above)
      if (isSeq(node)) return { kind: 'list', items: node.items.map(item => convert(item, line)), line }
      if (!isMap(node)) return { kind: 'text', text: isScalar(node) ? String(node.value ?? '') : '', line }
      const own = new Map<string, Yaml>()
      const merged = new Map<string, Yaml>()
      for (const { key, value } of node.items) {
        const keyLine = lineOf(key, line)
        const made = convert(value, keyLine)
        const name = isScalar(key) ? String(key.value) : ''
        if (name !== '<<') own.set(name, made.kind === 'text' ? { ...made, line: keyLine } : made)
        else
          for (const [inner, it] of itemsAt(made)
            .flatMap(one => entriesAt(one))
            .toReversed())
            merged.set(inner, it)
      }
      return { kind: 'map', entries: new Map([...merged, ...own]), line }
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
  return path.reduce((found, key) => (found?.kind === 'map' ? (found.entries.get(key) ?? null) : null), node)
}

/** A scalar's text; null for none. */
export function textAt(node: Yaml | null, ...path: readonly string[]): string | null {
  const found = at(node, ...path)
  return found?.kind === 'text' ? found.text : null
}

/** A list's items, or the one that stands in place of a list. */
export function itemsAt(node: Yaml | null, ...path: readonly string[]): readonly Yaml[] {
  const found = at(node, ...path)
  return found === null ? [] : found.kind === 'list' ? found.items : [found]
}

/** The texts of a list, or the one in its place. */
export function textsAt(node: Yaml | null, ...path: readonly string[]): readonly string[] {
  return itemsAt(node, ...path).flatMap(item => (item.kind === 'text' ? [item.text] : []))
}

/** A table's entries; none for anything else. */
export function entriesAt(node: Yaml | null, ...path: readonly string[]): readonly (readonly [string, Yaml])[] {
  const found = at(node, ...path)
  return found?.kind === 'map' ? [...found.entries] : []
}

/** `NAME: value` of a table and `- NAME=value` of a list alike, as compose files have them; no value where there is only a name. */
export function pairsAt(node: Yaml | null, key: string) {
  const found = at(node, key)
  if (found?.kind === 'map') {
    return [...found.entries].map(([name, one]) => ({ name, value: textAt(one) ?? '', line: one.line }))
  }
  return itemsAt(found).map(one => {
    const [, name = '', value] = /^([^=]+)(?:=([\s\S]*))?$/.exec(textAt(one) ?? '') ?? []
    return { name, value, line: one.line }
  })
}
