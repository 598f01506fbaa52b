/** The settings of an oauth2-proxy, read as it reads them itself. */

import type { Tools } from '../draft.ts'
import type { Outcome } from '../notes.ts'
import type { Inputs } from './inputs.ts'
import { OPTIONS, type Stated } from './options.ts'

export type Old = ReturnType<typeof createOld>

/**
 * An oauth2-proxy that becomes a new file: its settings, read as leniently as it reads them (`"true"` is true, `"a,b"`
 * a list), and the notes about it. An option with its default value adds no note.
 */
export function createOld(inputs: Inputs, tools: Tools) {
  const { stated, alpha, gaps, isSeveral } = inputs
  const said = new Map([...stated].filter(([, one]) => !isUsual(one)))
  const first = (name: string) => keepLogin(said.get(name)?.values[0] ?? '')
  const line = (name: string) => stated.get(name)?.line ?? null
  /** Null where it is missing or empty. */
  const text = (name: string) => first(name).trim() || null
  /** A text of the old file in the spelling of the new one. */
  const spell = tools.blanks.literal
  return {
    ...tools,
    alpha,
    /** Expressions of paths that no route says: nobody passes where one holds. */
    closedPaths: gaps.flatMap(({ path }) => path ?? []),
    names: [...stated.keys()],
    inputs,
    /** Whether it is stated, and says what does not hold anyway. */
    has: (name: string) => said.has(name),
    line,
    /** Where it is stated, for people: `line 3`, or `compose.yaml:3` where there are several files. */
    where: (name: string) => (isSeveral ? `${stated.get(name)?.file}:${line(name)}` : `line ${line(name)}`),
    text,
    list: (name: string) => listOf(said.get(name)).map(keepLogin),
    spell,
    spelt(name: string): string | null {
      const found = text(name)
      return found === null ? null : spell(found)
    },
    isOn: (name: string) => flagOf(first(name)) ?? OPTIONS.get(name)?.kind === 'on',
    durationMs: (name: string) => durationMsOf(first(name)),
    /** Notes what became of an option that is stated, by the words of the table or by others. */
    tell(names: string | readonly string[], outcome: Outcome, say?: string): void {
      for (const name of typeof names === 'string' ? [names] : names) {
        const words = say ?? OPTIONS.get(name)?.says.find(([known]) => known === outcome)?.[1] ?? ''
        const file = isSeveral ? (stated.get(name)?.file ?? null) : null
        if (said.has(name)) tools.notes.add(outcome, name, line(name), words, file)
      }
    },
  }
}

/** The same, but for these options. */
export function withOwn(old: Old, own: readonly Stated[]): Old {
  const stated = new Map([...old.inputs.stated, ...own.map(one => [one.name, one] as const)])
  return createOld({ ...old.inputs, stated }, old)
}

/**
 * An address whose password has a slash or the like, which is escaped then: what comes after it belongs to no path, and so to no place
 * where a path is copied.
 */
export function keepLogin(text: string): string {
  return text.replace(/^\w+:\/\/[^\s/?#:@]+:(?!\d*(?:[/?#]|$))[^\s@]*@/, before => {
    const start = before.indexOf('://') + 3
    return before.slice(0, start) + before.slice(start).replace(/[/?#]/g, encodeURIComponent)
  })
}

/** Whether an option says what holds without it: a file that oauth2-proxy writes itself is full of them. */
function isUsual(one: Stated): boolean {
  const { kind, usual } = OPTIONS.get(one.name) ?? { kind: 'text', usual: '' }
  const [value = ''] = one.values
  if (kind === 'on' || kind === 'off') return flagOf(value) === (kind === 'on')
  if (usual === '') return false
  if (kind === 'time') return durationMsOf(value) === durationMsOf(usual)
  const [entry = '', ...more] = listOf(one)
  return more.length === 0 && (entry === usual || (kind === 'field' && entry.toLowerCase() === usual.toLowerCase()))
}

/** A switch as Go reads it; null for anything else. */
function flagOf(text: string): boolean | null {
  if (/^(?:true|t|1)$/i.test(text)) return true
  return /^(?:false|f|0)$/i.test(text) ? false : null
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds of `168h0m0s`; null for no duration. */
function durationMsOf(text: string): number | null {
  if (text !== '0' && !/^(?:\d+(?:\.\d+)?(?:ms|[smh]))+$/.test(text)) return null
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)]
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0)
}

/** The entries of a list, each once. A space is part of its entry: what is taken off could make an entry hold that did not. */
function listOf(one: Stated | undefined): readonly string[] {
  const { values = [], isList = true } = one ?? {}
  const parts = isList ? values : values.flatMap(item => item.split(','))
  return [...new Set(parts.filter(part => part.trim() !== ''))]
}
