/** The difference of two texts, line by line. */

import type { DiffLine } from '../../portal/editor-interface.ts'

/** Lines around a change that are shown with it. */
const AROUND = 3

/** From how many pairs of lines on two stretches are shown one after the other, uncompared. */
const MOST_PAIRS = 4_000_000

/** What differs between two texts, line by line, with a few lines around it; none where nothing does. */
export function lineDiff(before: string, after: string): readonly DiffLine[] {
  return before === after ? [] : cut(numbered(compare(before.split(/\r?\n/), after.split(/\r?\n/))))
}

/** A line before it has its number. */
type Line = Pick<DiffLine, 'kind' | 'text'>

/** Lines with their numbers: in the old text where they are gone, else in the new one. */
function numbered(lines: readonly Line[]): readonly DiffLine[] {
  let [old, now] = [0, 0]
  return lines.map(line => {
    if (line.kind !== 'added') old++
    if (line.kind !== 'removed') now++
    return { ...line, number: line.kind === 'removed' ? old : now }
  })
}

function compare(before: readonly string[], after: readonly string[]): readonly Line[] {
  let start = 0
  while (start < before.length && start < after.length && before[start] === after[start]) start++
  let same = 0
  const most = Math.min(before.length, after.length) - start
  while (same < most && before[before.length - 1 - same] === after[after.length - 1 - same]) same++
  return [
    ...linesOf('same', before.slice(0, start)),
    ...compareMiddle(before.slice(start, before.length - same), after.slice(start, after.length - same)),
    ...linesOf('same', before.slice(before.length - same)),
  ]
}

/** By the longest common subsequence. */
function compareMiddle(before: readonly string[], after: readonly string[]): readonly Line[] {
  if (before.length * after.length > MOST_PAIRS) return [...linesOf('removed', before), ...linesOf('added', after)]
  const width = after.length + 1
  const lengths = new Uint32Array((before.length + 1) * width)
  const at = (one: number, other: number) => lengths[one * width + other] ?? 0
  for (let one = before.length - 1; one >= 0; one--) {
    for (let other = after.length - 1; other >= 0; other--) {
      lengths[one * width + other] =
        before[one] === after[other] ? at(one + 1, other + 1) + 1 : Math.max(at(one + 1, other), at(one, other + 1))
    }
  }
  const lines: Line[] = []
  let one = 0
  let other = 0
  while (one < before.length || other < after.length) {
    const [old, next] = [before[one], after[other]]
    if (old !== undefined && old === next) {
      lines.push({ kind: 'same', text: old })
      one++
      other++
    } else if (old !== undefined && (next === undefined || at(one + 1, other) >= at(one, other + 1))) {
      lines.push({ kind: 'removed', text: old })
      one++
    } else {
      lines.push({ kind: 'added', text: next ?? '' })
      other++
    }
  }
  return lines
}

function linesOf(kind: DiffLine['kind'], lines: readonly string[]): readonly Line[] {
  return lines.map(text => ({ kind, text }))
}

function cut(lines: readonly DiffLine[]): readonly DiffLine[] {
  const shown: DiffLine[] = []
  const near = new Set<number>()
  for (const [index, { kind }] of lines.entries()) {
    if (kind === 'same') continue
    for (let around = index - AROUND; around <= index + AROUND; around++) near.add(around)
  }
  for (const [index, line] of lines.entries()) {
    if (near.has(index)) shown.push(line)
    else if (shown.at(-1)?.kind !== 'gap') shown.push({ kind: 'gap', text: '', number: 0 })
  }
  return shown
}
