import { describe, expect, test } from 'bun:test'
import { timeOfDay } from '../../../src/base/log.ts'
import { readCombined, readOwn } from '../../../src/migrate/rehearse/formats.ts'
import {
  type AccessRecord,
  type AccessStyle,
  agentOf,
  openAccessLog,
  refererOf,
} from '../../../src/server/observe/access-log.ts'

const RECORD: AccessRecord = {
  atMs: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  id: 'sallyport-x-1',
  client: '203.0.113.9',
  method: 'GET',
  scheme: 'https',
  host: 'app.example',
  path: '/a%20b',
  protocol: 'HTTP/2.0',
  route: 'app.example/',
  upstream: '10.0.0.3:80',
  user: 'ada',
  session: 'Zm9vYmFyYmF6',
  status: 200,
  reason: null,
  bytes: 1024,
  isAnnounced: false,
  tookMs: 3,
  totalMs: 5,
  agent: 'curl/8.14',
  referer: 'https://app.example/',
}

const NOBODY = { user: null, session: null, agent: null, referer: null, upstream: null, bytes: null, route: '-' }

function written(...records: AccessRecord[]): unknown[] {
  return textOf('json', ...records)
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}

function textOf(style: AccessStyle, ...records: AccessRecord[]): string {
  let text = ''
  const write = (lines: string) => {
    text += lines
  }
  const log = openAccessLog({ write, style })
  for (const record of records) log.write(record)
  log.close()
  return text
}

test('a record is one line of JSON', () => {
  const { atMs: _, tookMs: ms, totalMs: total_ms, isAnnounced: __, ...rest } = RECORD
  const same = { level: 'info', message: 'request' }
  expect(written(RECORD, { ...RECORD, ...NOBODY, status: 403, reason: 'role.missing' })).toEqual([
    { time: '2026-01-02T03:04:05.006Z', ...same, ...rest, ms, total_ms },
    {
      time: '2026-01-02T03:04:05.006Z',
      ...same,
      ...rest,
      ...NOBODY,
      ms,
      total_ms,
      status: 403,
      reason: 'role.missing',
    },
  ])
})

test('a record in the combined format is what nginx writes', () => {
  const nobody = { ...RECORD, ...NOBODY, status: 101, protocol: 'HTTP/1.1' }
  expect(textOf('combined', RECORD, nobody)).toBe(
    '203.0.113.9 - ada [02/Jan/2026:03:04:05 +0000] "GET /a%20b HTTP/2.0" 200 1024 "https://app.example/" "curl/8.14"\n' +
      '203.0.113.9 - - [02/Jan/2026:03:04:05 +0000] "GET /a%20b HTTP/1.1" 101 - "-" "-"\n',
  )
})

test('a record as text has each part where it always is, and the rest by name', () => {
  expect(textOf('text', RECORD, { ...RECORD, ...NOBODY, reason: 'access.token', status: 401 })).toBe(
    '2026-01-02T03:04:05.006Z 200 203.0.113.9 ada GET https://app.example/a%20b 3 ms bytes=1024 total_ms=5 protocol=HTTP/2.0' +
      ' route=app.example/ upstream=10.0.0.3:80 session=Zm9vYmFyYmF6 id=sallyport-x-1 referer=https://app.example/ agent=curl/8.14\n' +
      '2026-01-02T03:04:05.006Z 401 203.0.113.9 - GET https://app.example/a%20b 3 ms total_ms=5 protocol=HTTP/2.0' +
      ' reason=access.token id=sallyport-x-1\n',
  )
})

test('a number of bytes that nobody counted is marked, and left out where a format has no mark and it may be wrong', () => {
  const whole = { ...RECORD, isAnnounced: true }
  const cut = { ...whole, reason: 'answer.cut' }
  expect(written(RECORD, whole, cut)).toMatchObject([
    { bytes: 1024 },
    { bytes: 1024, bytes_announced: true },
    { bytes: 1024, bytes_announced: true, reason: 'answer.cut' },
  ])
  expect(written(RECORD)[0]).not.toHaveProperty('bytes_announced')
  expect(textOf('text', cut)).toContain(' bytes=1024 bytes_announced=true total_ms=5 ')
  expect(textOf('combined', whole, cut)).toMatch(/ 200 1024 "[^\n]*\n[^\n]* 200 - "/)
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

/** What somebody could write into a field to be taken for something else, or to drive who reads it. */
const FORGERIES = [
  'a"b',
  'a\\b',
  'a\\',
  'a\nb',
  '',
  '-',
  'Zoë 🚪',
  '\u2028\u202e',
  '\x9b2J\x7f',
  '\ud800',
  '1.2.3.4 - root [02/Jan/2026:03:04:05 +0000] "GET / HTTP/1.1" 200 1 "-" "-"',
  '" 200 1 "-" "-"\n1.2.3.4 - - [02/Jan/2026:03:04:05 +0000] "GET /forged HTTP/1.1" 401 1 "-" "-"',
  '","client":"1.2.3.4","status":401,"x":"',
  'x reason=access.password status=401 client=1.2.3.4',
]

/** All that a client or a provider may choose the words of. */
const CHOSEN = ['user', 'agent', 'referer', 'host', 'path'] as const

describe.each(FORGERIES)('of %j', text => {
  test.each(CHOSEN)('in %s, JSON keeps all and shows nothing unseen', field => {
    const line = textOf('json', { ...RECORD, [field]: text })
    expect(line).toMatch(/^[^\p{Cc}\p{Bidi_Control}\u2028\u2029]*\n$/u)
    const kept = { ...RECORD, [field]: text }
    const { user, agent, referer, host, path, status, client } = kept
    expect(JSON.parse(line)).toMatchObject({ user, agent, referer, host, path, status, client })
    const read = field === 'host' || field === 'path' ? { status } : { status, client, method: 'GET' }
    expect(readOwn(line)).toMatchObject(read)
  })

  test.each(CHOSEN)('in %s, combined is one line of ASCII with the same parts', field => {
    const line = textOf('combined', { ...RECORD, [field]: text })
    expect(line).toMatch(/^[ -~]*\n$/)
    const parts = /^(\S+) - (\S+) \[([^\]]+)\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"\n$/.exec(line)
    expect([parts?.[1], parts?.[3], parts?.[5], parts?.[6]]).toEqual([
      RECORD.client,
      '02/Jan/2026:03:04:05 +0000',
      '200',
      '1024',
    ])
    expect(line.replace(/\\x[0-9A-F]{2}/g, '')).not.toContain('\\')
    if (field !== 'path') expect(readCombined(line.trimEnd())).toMatchObject({ status: 200, client: RECORD.client })
  })

  test.each(CHOSEN)('in %s, text is one line whose words are its own', field => {
    const line = textOf('text', { ...RECORD, [field]: text })
    expect(line).toMatch(/^[^\p{Cc}\p{Bidi_Control}\u2028\u2029]*\n$/u)
    const bare = line.replace(/"(?:[^"\\]|\\.)*"/g, 'Q')
    expect(bare).toMatch(
      /^2026-01-02T03:04:05.006Z 200 203\.0\.113\.9 \S+ GET \S+ 3 ms bytes=1024( [a-z_]+=\S+){7,8}\n$/,
    )
    expect(bare.match(/ reason=| status=| client=/)).toBeNull()
  })
})

test('of a referer nothing is kept that leads further than its page, and of both no more than a line takes', () => {
  expect(refererOf(undefined)).toBeNull()
  expect(refererOf('https://a.example/b?token=SECRET')).toBe('https://a.example/b')
  expect(refererOf('https://a.example/b#token=SECRET')).toBe('https://a.example/b')
  expect(refererOf('https://ada:SECRET@a.example/b')).toBe('https://a.example/b')
  expect(refererOf('//ada:SECRET@SECRET@a.example')).toBe('//a.example')
  expect(refererOf(`https://a.example/${'b'.repeat(5000)}`)).toHaveLength(256)
  expect(agentOf('b'.repeat(5000))).toHaveLength(256)
})
