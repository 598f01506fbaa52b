/** Codings that files lie in, the one that is mostly the shortest first: as Accept-Encoding names them, and as their names end. */
const CODINGS = [
  { coding: 'br', ending: '.br' },
  { coding: 'zstd', ending: '.zst' },
  { coding: 'gzip', ending: '.gz' },
] as const

export type Coding = (typeof CODINGS)[number]

/**
 * The codings that a client takes and does not like less than none, the most wanted first.
 *
 * Absent on purpose: a client that takes no identity either gets it all the same, which RFC 9110 §12.5.3 leaves to a server.
 */
export function wantedCodings(accept: string | null): readonly Coding[] {
  if (accept === null) return []
  const weights = new Map<string, number>()
  for (const item of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = item.split(';').map(part => part.trim())
    const [, weight] =
      parameters.map(part => /^q=([01](?:\.[0-9]{0,3})?)$/.exec(part)).find(found => found !== null) ?? []
    if (name !== '') weights.set(name, weight === undefined ? 1 : Number(weight))
  }
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get('*') ?? 0
  const least = weights.get('identity') ?? 0
  return CODINGS.filter(({ coding }) => weightOf(coding) > 0 && weightOf(coding) >= least).sort(
    (one, other) => weightOf(other.coding) - weightOf(one.coding),
  )
}

/** Whether a media type is of what gets much shorter; pictures, sound and archives are compressed by themselves. */
export function isCompressible(type: string): boolean {
  return /^(?:text\/|application\/(?:json|javascript|xml|wasm|[^;]+\+(?:json|xml))|image\/(?:svg\+xml|bmp|x-icon)|font\/(?:ttf|otf))/.test(
    type,
  )
}
