import type { Alpha } from '../alpha/alpha.ts'
import type { Gap, Stated } from './stated.ts'

/** What one source says, by the rank of each: a flag outranks a variable, and that the configuration file. */
export interface Layers {
  readonly flags: readonly Stated[]
  readonly variables: readonly Stated[]
  readonly settings: readonly Stated[]
  /** What an alpha configuration says beside its options; null without one. */
  readonly alpha: Alpha | null
  readonly gaps: readonly Gap[]
  /** Whether there can be no other flags than these, and no other variables. */
  readonly knows: { readonly flags: boolean; readonly variables: boolean }
}

export const NO_LAYERS: Layers = {
  flags: [],
  variables: [],
  settings: [],
  alpha: null,
  gaps: [],
  knows: { flags: false, variables: false },
}

/** All layers of one rank and kind together, in the order of the sources. */
export function joined(all: readonly Layers[]): Layers {
  return {
    flags: all.flatMap(({ flags }) => flags),
    variables: all.flatMap(({ variables }) => variables),
    settings: all.flatMap(({ settings }) => settings),
    alpha: all.findLast(({ alpha }) => alpha !== null)?.alpha ?? null,
    gaps: all.flatMap(({ gaps }) => gaps),
    knows: {
      flags: all.some(({ knows }) => knows.flags),
      variables: all.some(({ knows }) => knows.variables),
    },
  }
}

/** Each option once, by whatever outranks the others; among equals the last one counts. */
export function effective({ flags, variables, settings }: Layers): ReadonlyMap<string, Stated> {
  const found = new Map<string, Stated>()
  for (const rank of [flags, variables, settings]) {
    const own = new Map(rank.map(one => [one.name, one]))
    for (const [name, one] of own) if (!found.has(name)) found.set(name, one)
  }
  return found
}
