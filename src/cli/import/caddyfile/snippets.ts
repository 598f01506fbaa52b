import type { Notes } from '../notes.ts'
import type { Caddyfile, Directive } from './parse.ts'

/** How often a snippet may be imported in a snippet. */
const MAX_DEPTH = 8

/** The same file with every snippet in the place where it is imported. Other files cannot be followed, and are noted. */
export function expandSnippets(file: Caddyfile, notes: Notes): Caddyfile {
  const expand = (directives: readonly Directive[], depth: number): readonly Directive[] =>
    directives.flatMap(directive => {
      if (directive.name !== 'import') {
        return [{ ...directive, block: directive.block === null ? null : expand(directive.block, depth) }]
      }
      const [name = '', ...args] = directive.args
      const snippet = file.snippets.get(name)
      if (snippet === undefined || depth > MAX_DEPTH) {
        const say = `${name} cannot be followed from here: put what it says in its place, and import again`
        notes.add('decide', 'import', directive.line, say)
        return []
      }
      notes.add('kept', 'import', directive.line, `what (${name}) says`)
      return expand(fill(snippet, args), depth + 1)
    })
  return {
    ...file,
    options: expand(file.options, 0),
    sites: file.sites.map(site => ({ ...site, block: expand(site.block, 0) })),
  }
}

/** `{args[0]}`, and `{args.0}` as it was written before. */
function fill(directives: readonly Directive[], args: readonly string[]): readonly Directive[] {
  const filled = (text: string) =>
    text.replace(/\{args(?:\[(\d+)\]|\.(\d+))\}/g, (whole, index?: string, old?: string) => {
      return args[Number(index ?? old)] ?? whole
    })
  return directives.map(({ name, args: own, line, block }) => ({
    name: filled(name),
    args: own.map(filled),
    line,
    block: block === null ? null : fill(block, args),
  }))
}
