import { expect, test } from 'bun:test'
import { CSV_HEAD, csvLine, jsonLine } from '../../src/audit/export.ts'
import { type AuditFacts, FACTS } from '../../src/audit/record.ts'

const record = (facts: AuditFacts) => ({ atMs: Date.UTC(2026, 10, 24), event: 'sign_in', facts }) as const

/** The cells of a row, as RFC 4180 has them. */
function cellsOf(row: string): readonly string[] {
  expect(row.endsWith('\r\n')).toBe(true)
  return [...row.matchAll(/"((?:[^"]|"")*)"(?:,|\r\n)/g)].map(([, cell = '']) => cell.replaceAll('""', '"'))
}

test('a line of JSON has the time, the event and what is known', () => {
  expect(JSON.parse(jsonLine(record({ user: 'ada', count: 3 })))).toEqual({
    time: '2026-11-24T00:00:00.000Z',
    event: 'sign_in',
    user: 'ada',
    count: 3,
  })
})

test('a line of JSON drives no terminal, and turns no text, and means the same', () => {
  const agent = 'a\x9b2Jb\u202ec\u2028d'
  const line = jsonLine(record({ agent }))
  expect(line).not.toMatch(/[\x80-\x9f\u202e\u2028]/)
  expect(JSON.parse(line).agent).toBe(agent)
})

test('RFC 4180 §2: every row has every column, and quotes, commas and line ends stay in their cell', () => {
  const head = cellsOf(CSV_HEAD)
  expect(head).toEqual(['time', 'event', ...FACTS])
  const cells = cellsOf(csvLine(record({ user: 'a"da', name: 'Lovelace, Ada\nByron' })))
  expect(cells).toHaveLength(head.length)
  expect([cells[head.indexOf('user')], cells[head.indexOf('name')]]).toEqual(['a"da', 'Lovelace, Ada\nByron'])
})

test.each(['=cmd|x', '+1', '-1+2', '@SUM(A1)', '\t=1', '\r=1', '  =1', '＝1'])(
  'OWASP CSV Injection: %j is text to a spreadsheet',
  agent => {
    const cells = cellsOf(csvLine(record({ agent })))
    expect(cells[2 + FACTS.indexOf('agent')]).toBe(`'${agent}`)
  },
)

test.each([
  ["x;=cmd|' /C calc'!A0;", "x;'=cmd|' /C calc'!A0;"],
  ['a; +http://bot.example', "a;' +http://bot.example"],
  ['a\t@b', "a\t'@b"],
  ['a\n=1', "a\n'=1"],
  ['a\r\n@b', "a\r'\n'@b"],
  // Its quotes are taken off there.
  ['a;"=1;b', `a;'"=1;b`],
  ['a\n " "+1', `a\n' " "+1`],
  ['Mozilla/5.0 (X11; Linux) a=b', 'Mozilla/5.0 (X11; Linux) a=b'],
])('OWASP CSV Injection: %j has no formula for a spreadsheet that parts cells elsewhere', (agent, shown) => {
  expect(cellsOf(csvLine(record({ agent })))[2 + FACTS.indexOf('agent')]).toBe(shown)
})
