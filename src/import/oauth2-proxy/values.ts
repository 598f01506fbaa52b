import type { Stated } from './inputs/stated.ts'

/** A switch as Go reads it; null for anything else. */
export function flagOf(text: string): boolean | null {
  const word = text.toLowerCase()
  if (['true', 't', '1'].includes(word)) return true
  return ['false', 'f', '0'].includes(word) ? false : null
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** Milliseconds of `168h0m0s`; null for no duration. */
export function durationMsOf(text: string): number | null {
  if (text === '0') return 0
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[smh]))+$/.test(text)) return null
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smh])/g)]
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS_MS[unit] ?? 0), 0)
}

/** The entries of a list, each once. A space is part of its entry: what is taken off could make an entry hold that did not. */
export function listOf({ values, isList }: Stated): readonly string[] {
  const parts = isList ? values : values.flatMap(item => item.split(','))
  return [...new Set(parts.filter(part => part.trim() !== ''))]
}
