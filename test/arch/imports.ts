/** Imports from the text: Bun's transpiler leaves out those that are only types. */
const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?<type>type\s)?(?:[^'"]*?\sfrom\s)?['"](?<now>[^'"]+)['"]|\bimport\(['"](?<later>[^'"]+)['"]\)/g

export interface Import {
  /** What is imported, as the text has it. */
  readonly names: string
  /** Whether it is there from the start, once something asks for it, or as types alone. */
  readonly when: 'now' | 'later' | 'never'
}

export function importsOf(text: string): Import[] {
  return [...text.matchAll(IMPORT)].map(({ groups }) => {
    const now = groups?.now
    if (now === undefined) return { names: groups?.later ?? '', when: 'later' }
    return { names: now, when: groups?.type === undefined ? 'now' : 'never' }
  })
}
