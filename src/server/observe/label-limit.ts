/** A limit on how many names become labels of metrics. */

/** How many names have their own series; a scrape of more would be megabytes long, and expensive to keep. */
const MOST_NAMED = 500

/** The name for all others. No route, upstream or provider can have it. */
const OTHERS = '(others)'

/**
 * A value for each name of the file: one each for the first `MOST_NAMED`, and one for all others together.
 *
 * Only the file adds names.
 */
export class Named<T> {
  readonly #make: () => T
  /** Null until it is asked for. */
  #members = new Map<string, T | null>()
  #others: T | null = null

  constructor(make: () => T) {
    this.#make = make
  }

  /** The names of the current file, in its order. Values under other names are dropped. */
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
