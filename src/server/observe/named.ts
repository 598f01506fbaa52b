/** So many are told apart; a scrape of more would be megabytes long, and cost whoever keeps it the more. */
const MOST_NAMED = 500

/** The name for whatever is beyond that. No route, upstream or provider can be called so. */
const OTHERS = '(others)'

/**
 * Something for each name of the file: for the first `MOST_NAMED` one each, and one for all others together, whatever they are called.
 * Nobody but who writes the file adds a name.
 */
export class Named<T> {
  readonly #make: () => T
  /** Null until it is asked for. */
  #members = new Map<string, T | null>()
  #others: T | null = null

  constructor(make: () => T) {
    this.#make = make
  }

  /** The names of the file in force, in its order. What is kept under another is forgotten. */
  retain(names: Iterable<string>): void {
    const before = this.#members
    this.#members = new Map()
    for (const name of names) {
      if (this.#members.size >= MOST_NAMED) return
      this.#members.set(name, before.get(name) ?? null)
    }
  }

  of(name: string): T {
    const member = this.#members.get(name)
    if (member !== undefined && member !== null) return member
    if (member === undefined) {
      this.#others ??= this.#make()
      return this.#others
    }
    const made = this.#make()
    this.#members.set(name, made)
    return made
  }

  /** Those that were asked for. */
  *entries(): Iterable<readonly [string, T]> {
    for (const [name, member] of this.#members) if (member !== null) yield [name, member]
    if (this.#others !== null) yield [OTHERS, this.#others]
  }
}
