import { describe, expect, test } from 'bun:test'
import type { Schedule } from '../../../src/config/keys/rules.ts'
import { describeSchedule } from '../../../src/policy/describe.ts'
import type { ToldReason } from '../../../src/policy/reasons.ts'
import { LANGUAGES } from '../../../src/portal/language.ts'
import { sayTold } from '../../../src/portal/words/times.ts'

const OFFICE: Schedule = {
  spans: [
    { fromMinute: 480, untilMinute: 720 },
    { fromMinute: 1320, untilMinute: 1800 },
  ],
  days: [0, 1, 2, 3, 5],
  timezone: 'Europe/Berlin',
}
const reason = (code: ToldReason['code'], when: ToldReason['when']): ToldReason => ({
  code,
  say: '',
  detail: 'x',
  when,
})
const inAll = (told: ToldReason) => LANGUAGES.map(words => sayTold(words, told))

describe('times in a denial are said as the language says them', () => {
  test('hours and days', () =>
    expect(inAll(reason('hours.outside', { kind: 'schedule', schedule: OFFICE }))).toEqual([
      'It is open only at certain times: 08:00 to 12:00 or 22:00 to 06:00, Monday to Thursday and Saturday (Europe/Berlin).',
      'Das ist nur zu bestimmten Zeiten zugänglich: 08:00 bis 12:00 Uhr oder 22:00 bis 06:00 Uhr, Montag bis Donnerstag und Samstag (Europe/Berlin).',
      'L’accès n’est ouvert qu’à certaines heures\u00a0: de 08:00 à 12:00 ou de 22:00 à 06:00, du lundi au jeudi et samedi (Europe/Berlin).',
      'Solo se puede abrir a ciertas horas: de 08:00 a 12:00 o de 22:00 a 06:00, de lunes a jueves y sábado (Europe/Berlin).',
    ]))

  test('dates', () =>
    expect(inAll(reason('date.before', { kind: 'from', text: '2027-01-01' }))).toEqual([
      'It opens later: from 2027-01-01.',
      'Das ist erst später zugänglich: ab 2027-01-01.',
      'L’accès ouvrira plus tard\u00a0: à partir du 2027-01-01.',
      'Se podrá abrir más adelante: a partir del 2027-01-01.',
    ]))

  test('all hours, or all days', () => {
    const [english] = LANGUAGES
    const say = (schedule: Schedule) =>
      english === undefined ? null : sayTold(english, reason('hours.outside', { kind: 'schedule', schedule }))
    expect(say({ ...OFFICE, spans: null, days: [6] })).toEndWith(': Sunday (Europe/Berlin).')
    expect(say({ ...OFFICE, days: null })).toEndWith(': 08:00 to 12:00 or 22:00 to 06:00 (Europe/Berlin).')
  })
})

test('for operators a schedule is English', () =>
  expect(describeSchedule(OFFICE)).toBe(
    '08:00 to 12:00 or 22:00 to 06:00, Monday to Thursday, Saturday (Europe/Berlin)',
  ))
