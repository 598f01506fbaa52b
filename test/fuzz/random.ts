/** Numbers that one seed makes again, in the same order. */
export interface Random {
  /** 0 to `below` - 1. */
  below(below: number): number
  /** One of several, or undefined of none. */
  of<T>(list: readonly T[]): T | undefined
}

/** xorshift32 from a seed of 32 bits. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state
  }
  const below = (bound: number): number => (bound <= 1 ? 0 : next() % bound)
  // The first numbers of small seeds are alike.
  for (let count = 0; count < 8; count++) next()
  return { below, of: list => list[below(list.length)] }
}
