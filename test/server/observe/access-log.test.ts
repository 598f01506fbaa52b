import { expect, test } from 'bun:test'
import { type LogStyle, timeOfDay } from '../../../src/base/log.ts'
import { type AccessRecord, openAccessLog } from '../../../src/server/observe/access-log.ts'

const RECORD: AccessRecord = {
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  id: 'sallyport-x-1',
  client: '203.0.113.9',
  method: 'GET',
  host: 'app.example',
  path: '/a%20b',
  route: 'app.example/',
  user: 'ada',
  status: 200,
  tookMs: 3,
}

function written(...records: AccessRecord[]): unknown[] {
  return textOf('json', ...records)
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}

function textOf(style: LogStyle, ...records: AccessRecord[]): string {
  let text = ''
  const write = (lines: string) => {
    text += lines
  }
  const log = openAccessLog({ write, style }, () => true)
  for (const record of records) log.write(record)
  log.close()
  return text
}

test('a record is one line of JSON', () => {
  expect(written(RECORD)).toEqual([
    {
      time: '2026-01-02T03:04:05.006Z',
      level: 'info',
      message: 'request',
      id: 'sallyport-x-1',
      client: '203.0.113.9',
      method: 'GET',
      host: 'app.example',
      path: '/a%20b',
      route: 'app.example/',
      user: 'ada',
      status: 200,
      ms: 3,
    },
  ])
})

test.each(['a"b', 'a\\b', 'a\nb', 'Zoë', '\u2028', ''])('a subject such as %j forges no line', user => {
  expect(written({ ...RECORD, user }, { ...RECORD, user: null })).toMatchObject([{ user }, { user: null }])
})

test('records keep the time of their own millisecond', () => {
  const times = written(RECORD, { ...RECORD, atMs: RECORD.atMs + 1 }, RECORD)
  expect(times).toMatchObject([
    { time: '2026-01-02T03:04:05.006Z' },
    { time: '2026-01-02T03:04:05.007Z' },
    { time: '2026-01-02T03:04:05.006Z' },
  ])
})

test('for people, a record is what they look for, and no name drives their terminal', () => {
  const at = timeOfDay(RECORD.atMs)
  const nobody = { ...RECORD, user: null, status: 404, method: 'POST' }
  const text = textOf('plain', RECORD, nobody, { ...RECORD, user: 'a\n\x1b[2Jb\u202e' })
  expect(text.split('\n')).toEqual([
    `${at} 200   GET app.example/a%20b by ada from 203.0.113.9 in 3 ms`,
    `${at} 404   POST app.example/a%20b from 203.0.113.9 in 3 ms`,
    `${at} 200   GET app.example/a%20b by a\\u000a\\u001b[2Jb\\u202e from 203.0.113.9 in 3 ms`,
    '',
  ])
  expect(Bun.stripANSI(textOf('pretty', RECORD))).toBe(textOf('plain', RECORD))
})
