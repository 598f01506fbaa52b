/** Byte counts: Content-Length, and sums that NaN cannot enter. */

/**
 * The length of a body by its Content-Length, in bytes; null without a valid one.
 *
 * Bun 1.4.5 accepts a length that is repeated with the same value, and joins the fields: `2, 2` is 2. Otherwise only
 * digits are a length, up to the largest safe integer. All code that counts with a length uses this function: a sum
 * that NaN enters stays NaN. Source: RFC 9110 §8.6, RFC 9112 §6.3.
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
 * A sum that accepts only numbers. With NaN it would stay NaN, and every comparison with it would be false. So NaN
 * throws a TypeError, and the sum keeps its value.
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
