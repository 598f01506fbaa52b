import { expect, test } from 'bun:test'
import { createSparingLog } from '../../src/base/rate-limited-log.ts'
import { fakeClock } from '../kit/clock.ts'
import { recordedLog } from '../kit/log/record.ts'

function open() {
  const clock = fakeClock(1_000_000)
  const lines: string[] = []
  const whole = recordedLog(clock.now, lines)
  whole.setLevel('debug')
  const told = (level: string) =>
    lines.map(line => JSON.parse(line) as Record<string, unknown>).filter(line => line.level === level)
  return { clock, log: createSparingLog(whole, clock.now), told }
}

test('of one kind of warning twenty are told within a minute; the next one says how many were left out', () => {
  const { clock, log, told } = open()
  for (let index = 0; index < 500; index++) log.warn('It failed', { code: 'a.b', id: String(index) })
  expect(told('warn').map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, index) => String(index)))
  expect(told('debug')).toHaveLength(480)
  clock.advance(60_000)
  log.warn('It failed', { code: 'a.b' })
  log.warn('It failed', { code: 'a.b' })
  expect(told('warn').map(line => line.left_out)).toEqual([...Array<undefined>(20), 480, undefined])
})

test('another message, code, route or provider is another kind; errors and all else are always told', () => {
  const { log, told } = open()
  for (let index = 0; index < 100; index++) {
    log.warn('It failed', { code: 'a.b', route: 'one' })
    log.error('It failed', { code: 'a.b', route: 'one' })
    log.info('It failed', { code: 'a.b', route: 'one' })
  }
  log.warn('It failed', { code: 'a.b', route: 'two' })
  log.warn('It failed', { code: 'a.c', route: 'one' })
  log.warn('It failed', { code: 'a.b', route: 'one', provider: 'id' })
  log.warn('It failed otherwise')
  expect([told('warn').length, told('error').length, told('info').length]).toEqual([24, 100, 100])
})

test('a clock that is set back silences nothing for longer', () => {
  const { clock, log, told } = open()
  for (let index = 0; index < 21; index++) log.warn('It failed')
  clock.advance(-3_600_000)
  log.warn('It failed')
  expect(told('warn')).toHaveLength(21)
})
