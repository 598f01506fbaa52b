import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { compileExpression, isFault } from '../../src/base/regular-expression.ts'

interface Recorded {
  readonly re: string
  readonly ok: boolean
  readonly yes?: readonly string[]
  readonly no?: readonly string[]
}

const recorded = (await Bun.file(join(import.meta.dir, '../recorded/go-regexp.jsonl')).text())
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)

/** Go takes two groups of one name. */
const REFUSED_HERE = ['(?P<n>a)(?P<n>b)']

test('of 2000 recorded expressions, what Go refuses is refused, and what it takes answers as there', () => {
  expect(recorded).toHaveLength(2000)
  const others: unknown[] = []
  let asked = 0
  for (const { re, ok, yes = [], no = [] } of recorded) {
    const expression = compileExpression(re)
    if (isFault(expression)) {
      if (ok) others.push(re)
      continue
    }
    if (!ok) others.push(re)
    asked += yes.length + no.length
    for (const text of yes) if (!expression.test(text)) others.push([re, text, 'no'])
    for (const text of no) if (expression.test(text)) others.push([re, text, 'yes'])
  }
  expect(others).toEqual(REFUSED_HERE)
  expect(asked).toBeGreaterThan(12_000)
})

test('a byte that is no UTF-8 is U+FFFD, each by itself', () => {
  const bytes = Buffer.from([0x2f, 0xff, 0x41, 0xc3])
  const matches = (source: string) => {
    const expression = compileExpression(source)
    return !isFault(expression) && expression.test(bytes)
  }
  expect(matches('^/.A.$')).toBeTrue()
  expect(matches('^/\\x{FFFD}A\\x{FFFD}$')).toBeTrue()
  expect(matches('^/A$')).toBeFalse()
})
