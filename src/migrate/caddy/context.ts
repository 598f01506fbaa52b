/** What every part of an import from Caddy is handed: notes, variables to set, names. */

import type { Json } from '../../config/text/raw.ts'
import type { Notes, Outcome } from '../notes.ts'
import { type Blanks, escapeReferences, STAND_IN_HOST } from '../variables-to-set.ts'
import type { Table } from './json.ts'

/** What the parts of an import have in hand. */
export interface Context {
  readonly notes: Notes
  readonly blanks: Blanks
  readonly names: ReturnType<typeof createNames>
}

type Kind = 'role' | 'provider' | 'portal'

/** Names of the new file for those of the old one: the same for the same text, and another one for any other, within a kind. */
export function createNames() {
  const given = new Map<string, string>()
  return {
    of(kind: Kind, text: string): string {
      for (let count = 1; ; count++) {
        const plain = kind === 'role' ? roleName(text) : nameFor(text)
        const name = count === 1 ? plain : `${plain}-${count}`
        const owner = given.get(`${kind} ${name}`)
        if (owner !== undefined && owner !== text) continue
        given.set(`${kind} ${name}`, text)
        return name
      }
    },
    /** The text of a name that was given. */
    textOf: (kind: Kind, name: string) => given.get(`${kind} ${name}`) ?? name,
  }
}

const PLACEHOLDER = /(^|.)\{(?:env\.([A-Za-z_][A-Za-z0-9_]*)|file\.([^}]+))\}/g

/**
 * A text of Caddy's in the spelling of routes.toml: `{env.NAME}` becomes `${NAME}`, `{file.PATH}` a `${file:PATH}`.
 *
 * `standIn` is a value of the kind that is meant, for checking the new file where the variable is not set.
 */
export function spell({ blanks }: Context, text: string, standIn: string = STAND_IN_HOST): string {
  if (!/\{(?:env\.|file\.)/.test(text)) return blanks.literal(text)
  return escapeReferences(text).replace(PLACEHOLDER, (_, before: string, name?: string, path?: string) => {
    if (path !== undefined) return `${before}\${file:${path}}`
    const meaning = 'the variable of this name, as before'
    return before + blanks.variable(name ?? '', meaning, before === ':' ? '8080' : standIn)
  })
}

/** What is said of keys of the old file, several by one sentence; null: they are read, or there whether or not anybody wrote them. */
export type KeyRows = readonly (readonly [outcome: Outcome | null, keys: string, say: string])[]

/** Says what becomes of each key of a table, and answers whether any closes what it is for, as those do that no row knows. */
export function noteKeys(
  { notes }: Pick<Context, 'notes'>,
  table: Table,
  rows: KeyRows,
  { of, others }: { readonly of: string; readonly others: string },
): boolean {
  let isClosed = false
  for (const key of Object.keys(table)) {
    const row = rows.find(([, keys]) => keys.split(' ').includes(key))
    const [outcome, , say] = row ?? (['closed', key, others] as const)
    if (outcome !== null) notes.add(outcome, `${key} of ${of}`, null, say)
    isClosed ||= outcome === 'closed'
  }
  return isClosed
}

export function withoutTwins(list: readonly Json[]): readonly Json[] {
  return [...new Map(list.map(one => [JSON.stringify(one), one])).values()]
}

/** Whether a text holds a placeholder that only a request could fill in. */
export function isDynamic(text: string): boolean {
  return /\{(?!env\.|file\.)/.test(text)
}

/** A name as routes.toml allows it for roles: as it is, but for what would part it. */
function roleName(text: string): string {
  const name = text.replace(/[^A-Za-z0-9_./:@+-]+/g, '-').replace(/^[./:@+]+/, '')
  return name === '' ? 'name' : name === 'public' || name === 'authenticated' ? `${name}-role` : name
}

export function nameFor(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '') || 'name'
}
