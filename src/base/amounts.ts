/**
 * How many bytes a body has by its Content-Length; null where that is said not at all, or in a way that says nothing.
 *
 * Bun 1.4.5 takes a length that is said several times alike and joins them: `2, 2` is 2. Nothing else but digits is a length, and none
 * is so long that numbers do not tell it from the next one. Whoever counts with a length asks here: what is no number makes each sum
 * that it goes into none, for good. Source: RFC 9110 §8.6, RFC 9112 §6.3.
 */
export function parseLength(raw: string | null | undefined): number | null {
  if (raw === null || raw === undefined) return null
  if (DIGITS.test(raw)) return safe(Number(raw))
  if (!raw.includes(',')) return null
  let same: number | null = null
  for (const part of raw.split(',')) {
    const text = part.trim()
    const length = DIGITS.test(text) ? safe(Number(text)) : null
    if (length === null || (same !== null && same !== length)) return null
    same = length
  }
  return same
}

function safe(length: number): number | null {
  return Number.isSafeInteger(length) ? length : null
}

const DIGITS = /^[0-9]+$/

/**
 * A sum that only numbers go into. One that is none would make it none for good, and every comparison with it false: what is asked to
 * count such a thing throws a TypeError, and the sum stays what it was.
 */
export class Tally {
  #sum = 0

  get sum(): number {
    return this.#sum
  }

  add(amount: number): void {
    this.#sum += amountOf(amount)
  }

  remove(amount: number): void {
    this.#sum -= amountOf(amount)
  }

  clear(): void {
    this.#sum = 0
  }
}

/** What may be counted: a number, and not below nothing. Throws a TypeError for anything else. */
export function amountOf(amount: number): number {
  if (amount >= 0 && amount < Number.POSITIVE_INFINITY) return amount
  throw new TypeError(`${amount} cannot be counted`)
}
