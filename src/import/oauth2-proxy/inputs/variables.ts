import { optionOfVariable } from './names.ts'
import type { Stated } from './stated.ts'

/** A variable of the environment, and where it is set. */
export interface Variable {
  readonly name: string
  readonly value: string
  readonly line: number | null
  readonly file: string | null
}

/** The options that variables state. An empty one states nothing, as oauth2-proxy has it. */
export function statedByVariables(variables: readonly Variable[]): readonly Stated[] {
  return variables.flatMap(({ name, value, line, file }) => {
    const option = optionOfVariable(name)
    return option === null || value === '' ? [] : [{ name: option, values: [value], isList: false, line, file }]
  })
}

/** The lines of an env file: `NAME=value`, `export NAME="value"`; quotes are taken off, and what is behind ` #` without them. */
export function readEnvFile(text: string, file: string): readonly Variable[] {
  return text.split(/\r?\n/).flatMap((row, index) => {
    const [, name, raw = ''] = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(row) ?? []
    if (name === undefined) return []
    return [{ name, value: unquoted(raw), line: index + 1, file }]
  })
}

function unquoted(raw: string): string {
  const [, single] = /^'([^']*)'\s*(?:#.*)?$/.exec(raw) ?? []
  if (single !== undefined) return single
  const [, double] = /^"((?:[^"\\]|\\.)*)"\s*(?:#.*)?$/.exec(raw) ?? []
  if (double !== undefined) return double.replace(/\\(["\\$])/g, '$1')
  return raw.replace(/(?:^|\s)#.*$/, '').trim()
}

/**
 * `${NAME}`, `$NAME` and `${NAME:-otherwise}` filled in, `$$` as a dollar. What is not known here becomes `<NAME>`, which is to be
 * filled in in the new file.
 */
export function fillIn(text: string, lookUp: (name: string) => string | undefined): string {
  const form = /\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)(?::?([-?+])([^}]*))?\}|([A-Za-z_][A-Za-z0-9_]*))/g
  return text.replace(form, (_, dollar, braced, operator, more, bare) => {
    if (dollar !== undefined) return '$'
    const name = braced ?? bare
    const value = lookUp(name)
    if (operator === '+') return value ? more : ''
    if (value !== undefined && (value !== '' || operator !== '-')) return value
    return operator === '-' ? more : toFillIn(name)
  })
}

/** What stands for the value of a variable that is not known. */
export function toFillIn(name: string): string {
  return `<${name}>`
}
