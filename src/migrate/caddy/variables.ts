/** Variables of Caddy (`vars`, `map`), as the tests that they stand for. */

import { compileExpression, isFault } from '../../base/regular-expression.ts'
import { listOf, type Table, tablesOf, textOf, textsOf } from './json.ts'
import { bypassTest, expressionTest } from './patterns.ts'
import { ALWAYS, anyOf, leavesOf, type Test, UNKNOWN } from './rules.ts'

/** The value of a name of the file: the text of the first test that holds; null where that cannot be determined. */
export type Named = readonly Case[]

interface Case {
  readonly test: Test
  readonly text: string | null
  /** The one path that it is for, where it is for one. */
  readonly only?: string | null
  /** Whether it is for a path, where that is all that it asks for. */
  holds?(path: string): boolean
}

/** By `vars` and `map`: what their names stand for on a way. */
export type Names = ReadonlyMap<string, Named>

/** Whether a name, or a placeholder for one, has one of some texts as its value. */
export function namedTest(key: string, texts: readonly string[] | null): Test {
  if (texts === null || texts.some(text => text === '' || /[{}]/.test(text))) return UNKNOWN
  return { kind: 'named', name: key.replace(/^\{(?:http\.vars\.)?(.*)\}$/, '$1'), texts }
}

/** `vars`, for those requests that a test holds for; the others keep what was there. */
export function withVars(names: Names, handler: Table, test: Test): Names {
  const own = Object.entries(handler).filter(([key]) => key !== 'handler')
  const known = own.map(([key, value]): [string, Named] => {
    const text = textOf(value)
    return [key, [{ test, text: text?.includes('{') === true ? null : text }, ...(names.get(key) ?? [])]]
  })
  return new Map([...names, ...known])
}

/** `map` by the path: its value is computed on every use. */
export function withMap(names: Names, handler: Table): Names {
  const isPath = textOf(handler.source) === '{http.request.uri.path}'
  const known = textsOf(handler.destinations).map((destination, at): [string, Named] => {
    const mapped = tablesOf(handler.mappings).map(mapping => {
      const [input, expression] = [textOf(mapping.input), textOf(mapping.input_regexp)]
      const test =
        expression !== null ? expressionTest(expression) : input === null ? UNKNOWN : bypassTest('exact', input)
      const compiled = compileExpression(expression ?? '(')
      const holds = (path: string) => path === input || (!isFault(compiled) && compiled.test(path))
      const text = textOf(listOf(mapping.outputs)[at])
      const stated = text === null || /[{}$]/.test(text) ? null : text
      return { test: isPath ? test : UNKNOWN, text: stated, only: expression === null ? input : null, holds }
    })
    const other = listOf(handler.defaults)[at]
    return [destination.slice(1, -1), [...mapped, { test: ALWAYS, text: other === undefined ? '' : textOf(other) }]]
  })
  return new Map([...names, ...known])
}

export function resolveNames(test: Test, names: Names): Test {
  if (!leavesOf(test).some(({ kind }) => kind === 'named')) return test
  if (test.kind === 'all') return { ...test, parts: test.parts.map(part => resolveNames(part, names)) }
  if (test.kind === 'not') return { ...test, part: resolveNames(test.part, names) }
  if (test.kind !== 'named') return test
  const cases = names.get(test.name)
  if (cases === undefined || cases.some(({ text }) => text === null)) return UNKNOWN
  return anyOf(
    cases.flatMap(({ test: own, text, holds }, at): readonly Test[] => {
      if (text === null || !test.texts.includes(text)) return []
      // One path that this is not for anyway need not be left out.
      const others = cases.slice(0, at).filter(({ only }) => only == null || holds === undefined || holds(only))
      const before = others.map(one => ({ kind: 'not', part: one.test }) as const)
      return [{ kind: 'all', parts: [...before, own] }]
    }),
  )
}
