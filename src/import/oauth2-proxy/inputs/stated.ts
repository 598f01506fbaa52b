/** One option, as a file, a variable or a flag states it. */
export interface Stated {
  /** As oauth2-proxy.cfg calls it. */
  readonly name: string
  readonly values: readonly string[]
  /** Whether each value is one by itself; a single text is split at its commas where a list is meant. */
  readonly isList: boolean
  /** 1-based; null where it has none. */
  readonly line: number | null
  /** The file, as it was named; null for arguments of the command itself. */
  readonly file: string | null
}

/** Something that is named, and not at hand: whatever it says may have kept people out. */
export interface Gap {
  readonly option: string
  readonly line: number | null
  readonly file: string | null
  readonly say: string
}

/** What one source says, by the rank of each: a flag outranks a variable, and that the configuration file. */
export interface Layers {
  readonly flags: readonly Stated[]
  readonly variables: readonly Stated[]
  readonly settings: readonly Stated[]
  readonly gaps: readonly Gap[]
  /** Whether there can be no other flags than these, and no other variables. */
  readonly knows: { readonly flags: boolean; readonly variables: boolean }
}

export const NO_LAYERS: Layers = {
  flags: [],
  variables: [],
  settings: [],
  gaps: [],
  knows: { flags: false, variables: false },
}

/** All layers of one rank and kind together, in the order of the sources. */
export function joined(all: readonly Layers[]): Layers {
  return {
    flags: all.flatMap(({ flags }) => flags),
    variables: all.flatMap(({ variables }) => variables),
    settings: all.flatMap(({ settings }) => settings),
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
