/**
 * The result of a condition. `unknown` means that it cannot be judged: an invalid address, or a claim of an unexpected
 * type.
 *
 * `allow` needs `yes`. `deny` refuses unless it is `no`. The opposite of unknown is unknown. So an unknown result
 * always denies (Kleene's three-valued logic).
 */
export type Truth = 'yes' | 'no' | 'unknown'

/** The contrary. Anything that is no Truth is unknown. */
export function negate(truth: Truth): Truth {
  return truth === 'yes' ? 'no' : truth === 'no' ? 'yes' : 'unknown'
}

/** Whether all hold: `no` as soon as one does not; `yes` for none at all. */
export function all<T>(parts: readonly T[], judge: (part: T) => Truth): Truth {
  let truth: Truth = 'yes'
  for (const part of parts) {
    const one = judge(part)
    if (one === 'no') return 'no'
    if (one !== 'yes') truth = 'unknown'
  }
  return truth
}

/** Whether any holds: `yes` as soon as one does; `no` for none at all. */
export function any<T>(parts: readonly T[], judge: (part: T) => Truth): Truth {
  let truth: Truth = 'no'
  for (const part of parts) {
    const one = judge(part)
    if (one === 'yes') return 'yes'
    if (one !== 'no') truth = 'unknown'
  }
  return truth
}
