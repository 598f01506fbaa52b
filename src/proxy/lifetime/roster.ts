/** A list that thousands enter and leave each second. */

/** The place of a member that is not in. */
export const NOWHERE = -1

/** The present members. Each member knows its place, which only the roster changes. */
export interface Roster<Member> {
  /** In the order of their places, for callers that change nothing meanwhile. */
  readonly members: readonly Member[]
  /** Nothing happens to one that is in already. */
  add(one: Member): void
  /** Nothing happens to one that is not in. */
  remove(one: Member): void
}

/**
 * A list whose last entry fills the gap of one that leaves: a Set that thousands enter and leave each second costs 2 µs for each.
 *
 * `placeOf` and `put` read and write the place that a member knows; it begins as `NOWHERE`.
 */
export function createRoster<Member>(
  placeOf: (one: Member) => number,
  put: (one: Member, place: number) => void,
): Roster<Member> {
  const members: Member[] = []
  return {
    members,
    add(one) {
      if (placeOf(one) !== NOWHERE) return
      put(one, members.length)
      members.push(one)
    },
    remove(one) {
      const place = placeOf(one)
      if (place === NOWHERE) return
      put(one, NOWHERE)
      const last = members.pop()
      if (last === undefined || last === one) return
      put(last, place)
      members[place] = last
    },
  }
}
