import { expect, test } from 'bun:test'
import { createLog, type LogLevel, type LogStyle, timeOfDay } from '../../src/base/log.ts'

const NOON = Date.UTC(2026, 0, 2, 12, 0, 0, 5)

const AT_NOON = timeOfDay(NOON)

/** A log of one style, and the lines that it wrote. */
function logOf(style: LogStyle, facts?: Record<string, string>) {
  const lines: string[] = []
  const options = { now: () => NOON, style, write: (line: string) => void lines.push(line) }
  return { lines, log: createLog(facts === undefined ? options : { ...options, facts }) }
}

test('an entry is one line of JSON: time, level, message, and what it says more', () => {
  const { log, lines } = logOf('json')
  log.warn('two\nlines', { route: 'app', count: 2, absent: undefined, none: null, list: ['a', 'b'] })
  expect(lines).toEqual([
    '{"time":"2026-01-02T12:00:00.005Z","level":"warn","message":"two\\nlines","route":"app","count":2,"none":null,"list":["a","b"]}\n',
  ])
})

test('who speaks is in every entry, unless the entry says it itself', () => {
  const { log, lines } = logOf('json', { worker: '2', route: 'none' })
  log.info('one')
  log.info('other', { route: 'app' })
  expect(lines.map(line => JSON.parse(line))).toMatchObject([
    { worker: '2', route: 'none' },
    { worker: '2', route: 'app' },
  ])
})

test('what is below the level is not written; it starts at info, and changes while it runs', () => {
  const { log, lines } = logOf('json')
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
  const said = (set?: LogLevel) => {
    if (set !== undefined) log.setLevel(set)
    lines.length = 0
    for (const level of levels) log[level](level)
    return lines.map(line => JSON.parse(line).level)
  }
  expect(said()).toEqual(['info', 'warn', 'error'])
  expect(said('debug')).toEqual(['debug', 'info', 'warn', 'error'])
  expect(said('error')).toEqual(['error'])
})

test('for people, an entry is one line with its facts, and a hint below', () => {
  const { log, lines } = logOf('pretty')
  log.error('it broke', { route: 'app', absent: undefined, none: null, hint: 'mend it' })
  expect(Bun.stripANSI(lines.join(''))).toBe(`${AT_NOON} error it broke route=app\n         hint: mend it\n`)
})

test('nothing in it makes another line, or drives the terminal that shows it', () => {
  const { log, lines } = logOf('pretty')
  log.info('a\nb\x1b[2J', { route: 'c\rd\u202e', hint: 'e\u2028f\x07' })
  expect(Bun.stripANSI(lines.join(''))).toBe(
    `${AT_NOON} info  a\\u000ab\\u001b[2J route=c\\u000dd\\u202e\n         hint: e\\u2028f\\u0007\n`,
  )
})

test('lines that it has to show are below it as they are, with colours where the style has them; JSON has them in its message', () => {
  const said = (style: LogStyle) => {
    const { log, lines } = logOf(style)
    log.error('it broke', { route: 'app' }, hasColours => (hasColours ? '\x1b[31mhere\x1b[0m\n  ^\n' : 'here\n  ^\n'))
    return lines.join('')
  }
  expect(said('plain')).toBe(`${AT_NOON} error it broke route=app\n\nhere\n  ^\n\n`)
  expect(said('pretty')).toEndWith('app\n\n\x1b[31mhere\x1b[0m\n  ^\n\n')
  expect(JSON.parse(said('json'))).toMatchObject({ message: 'it broke\nhere\n  ^\n', route: 'app' })
})

test('in a file, what is more than one word is in quotes, so that whoever reads it finds what comes after', () => {
  const { log, lines } = logOf('text')
  log.info('refused', { user: 'Ada Lovelace', name: 'a "b" client=192.0.2.1', role: '', client: '192.0.2.7' })
  expect(lines).toEqual([
    '2026-01-02T12:00:00.005Z info  refused user="Ada Lovelace" name="a \\"b\\" client=192.0.2.1" role="" client=192.0.2.7\n',
  ])
})
