import { describe, expect, test } from 'bun:test'
import { type AuditEvent, EVENT_NAMES } from '../../../src/audit/events.ts'
import { CODES, type Code } from '../../../src/base/errors.ts'
import { REASONS, type Reason } from '../../../src/policy/reasons.ts'
import { chooseWords, LANGUAGES } from '../../../src/portal/language.ts'
import { agoOf, spanOf } from '../../../src/portal/layout/time.tsx'
import type { Told } from '../../../src/portal/words/admin/words.ts'
import { DE } from '../../../src/portal/words/de.ts'
import { EN } from '../../../src/portal/words/en.ts'
import { sayError, sayReason } from '../../../src/portal/words/words.ts'

describe('RFC 9110 §12.5.4: the language of a page', () => {
  const cases: [string | null, string][] = [
    [null, 'en'],
    ['', 'en'],
    ['*', 'en'],
    ['de', 'de'],
    ['DE-ch', 'de'],
    ['de-Latn-AT', 'de'],
    ['den', 'en'],
    ['nl, pl', 'en'],
    ['nl, fr;q=0.3', 'fr'],
    ['de;q=0.5, fr;q=0.8, en;q=0.7', 'fr'],
    ['fr, de', 'fr'],
    ['de, fr', 'de'],
    ['es-MX,es;q=0.9,en;q=0.8', 'es'],
    ['en;q=0.2, *;q=0.5', 'de'],
    ['en;q=0, *', 'de'],
    ['de;q=0, en;q=0, fr;q=0.001', 'fr'],
    ['de;q=0', 'en'],
    ['de;q=2, es;q=0.1', 'es'],
    ['de;q=x', 'en'],
    ['de;q=0.1234, fr;q=0.1', 'fr'],
    ['  de ; q=0.9 , fr;q=0.8', 'de'],
    [`${'x,'.repeat(2000)}de`, 'en'],
    ['<script>, __proto__, de', 'de'],
  ]
  test.each(cases)('for %p is %p', (field, lang) => expect(chooseWords(field).lang).toBe(lang))
})

/** Every text of a table, functions called, with the way to it. */
function texts(value: unknown, at = ''): [string, string][] {
  if (typeof value === 'string') return [[at, value]]
  if (typeof value === 'function') return [[at, String(value('<7>'))]]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => texts(entry, `${at}.${key}`))
}

/** Every text as it is written, those of functions from their source: both sides of each condition. */
function written(value: unknown, at = ''): [string, string][] {
  if (typeof value === 'string') return [[at, value]]
  if (typeof value === 'function') {
    const literals = String(value)
      .replaceAll(/\$\{[^}]*\}/g, '…')
      .matchAll(/(["'`])((?:(?!\1)[^\\]|\\.)*)\1/g)
    return [...literals].map(([, , text = ''], index) => [`${at}(${index})`, text])
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, entry]) => written(entry, `${at}.${key}`))
}

/** Words of English that slip into translations: each language has one of its own. */
const ENGLISH = /\b(?:role|guests?|links?|tokens?|users?|sign(?:ed)?[- ](?:in|out))\b/i

/** Names of the protocol, which are the same in every language. */
const NAMES = ['ID-Token', 'ID token']

/** What is spelt alike in English and that language. */
const SAME_IN_BOTH = new Set(
  '1 error,Administration,Applications,Code,Configuration,Error …,Invitation,Invitations,Menu,Passkeys,Person,Roles,Route,Routes,Sessions'.split(
    ',',
  ),
)

describe.each(LANGUAGES.map(words => [words.lang, words] as const))('the table %s', (lang, words) => {
  test('has a text for everything, with what is filled in', () => {
    const all = texts(words)
    const expected = texts(EN).map(([at]) => at)
    expect(all.map(([at]) => at)).toEqual(expect.arrayContaining(expected))
    for (const [at, text] of all) {
      expect(text, at).not.toBe('')
      expect(text, at).toBe(text.normalize('NFC'))
    }
    for (const [at] of texts(EN).filter(([, text]) => text.includes('<7>'))) {
      expect(Object.fromEntries(all)[at], at).toContain('<7>')
    }
  })

  test('says every error and every reason that people are told, with its detail', () => {
    for (const code of Object.keys(CODES) as Code[]) {
      const said = sayError(words, code)
      expect(said).toMatch(/\.$/)
      if (lang !== 'en') expect(said).not.toBe(CODES[code].say)
    }
    for (const code of Object.keys(REASONS) as Reason[]) {
      const said = sayReason(words, code, '$& 08:00')
      expect(said === null).toBe(REASONS[code].say === null)
      expect(said?.includes('$& 08:00') ?? false).toBe(REASONS[code].say?.includes('{detail}') ?? false)
      if (lang !== 'en' && said !== null) expect(said).not.toBe(String(REASONS[code].say))
    }
  })

  test('is written as that language is: no straight quotes, and French spaces that break no line', () => {
    for (const [at, text] of texts(words)) {
      expect(text, at).not.toMatch(/["']|\.\.\./)
      if (lang === 'fr') expect(text, at).not.toMatch(/[\p{L}}] [;!?:»]|[\p{L}}][;!?](?: |$)/u)
      else expect(text, at).not.toMatch(/ [;!?:]/)
    }
  })

  test('has words of its own where English has them', () => {
    if (lang === 'en') return
    const english = Object.fromEntries(written(EN))
    for (const [at, text] of written(words)) {
      const said = NAMES.reduce((left, name) => left.replaceAll(name, ''), text)
      // German writes compounds as one word.
      expect(said, at).not.toMatch(lang === 'de' ? /role\b|guest|link|token|\busers?\b|\bsign/i : ENGLISH)
      if (text.length > 3 && !SAME_IN_BOTH.has(text)) expect(text, at).not.toBe(english[at] ?? '')
    }
  })

  test('is known to Intl', () => expect(Intl.NumberFormat.supportedLocalesOf([lang])).toEqual([lang]))
})

test('times and spans are said as the language says them', () => {
  expect([spanOf(30 * 86_400_000, EN), spanOf(3_600_000, EN), spanOf(1, EN)]).toEqual([
    '30 days',
    '1 hour',
    'less than a minute',
  ])
  expect([agoOf(0, 3 * 3_600_000, EN), agoOf(0, 59_999, EN)]).toEqual(['3 hours ago', 'just now'])
  expect([spanOf(86_400_000, DE), agoOf(0, 120_000, DE), agoOf(0, 0, DE)]).toEqual([
    '1 Tag',
    'vor 2 Minuten',
    'gerade eben',
  ])
})

describe.each(LANGUAGES.map(words => [words.lang, words] as const))('the audit trail in %s', (_, { admin, times }) => {
  const nothing: Told = { who: null, by: null, isOperator: false, at: null, role: '', program: '', number: null }
  const all: Told = {
    who: '<who>',
    by: '<by>',
    isOperator: false,
    at: '<place>',
    role: '<role>',
    program: '<program>',
    number: 7,
  }

  test('has a sentence for every event, whatever is known of it', () => {
    expect(Object.keys(admin.events)).toEqual(expect.arrayContaining([...EVENT_NAMES]))
    for (const [event, say] of Object.entries(admin.events)) {
      // Only where the roles of somebody went together is none of them named.
      const least = event === 'role.revoked' ? nothing : { ...nothing, role: '<role>', program: '<program>' }
      for (const told of [least, all, { ...all, by: null, isOperator: true }, { ...least, number: 1 }]) {
        const said = say(told)
        expect(said, event).not.toMatch(/null|undefined|\s\s|\s[,.]| $/)
        expect(said.length, event).toBeGreaterThan(10)
      }
    }
    for (const event of ['sign_in', 'guest.made', 'role.granted', 'access.refused', 'program.allowed'] as const) {
      expect(admin.events[event](all), event).toContain('<who>')
    }
  })

  test('counts one of something as one', () => {
    const [one, two] = [1, 2].map(number => admin.events['audit.lost']({ ...nothing, number }))
    expect(one?.replace('1', '2')).not.toBe(two)
    expect(times(1).replace('1', '2')).not.toBe(times(2) === '2 fois' ? '' : times(2))
    for (const count of [admin.days, admin.waiting, admin.requestCount])
      expect(count(1).replace('1', '2')).not.toBe(count(2))
  })
})

test('the audit trail is told in sentences', () => {
  const told: Told = {
    who: 'Grace',
    by: 'Ada',
    isOperator: false,
    at: 'Immich',
    role: 'family',
    program: '',
    number: null,
  }
  const say = (event: AuditEvent, over: Partial<Told> = {}) => EN.admin.events[event]({ ...told, ...over })
  expect(say('guest.made')).toBe('Grace made a guest link for Immich')
  expect(say('role.granted')).toBe('Ada granted Grace the role family')
  expect(say('role.granted', { by: null, isOperator: true })).toBe('An operator granted Grace the role family')
  expect(say('access.refused', { who: null })).toBe('Someone was refused at Immich')
  expect(say('sign_out.by_admin', { number: 3 })).toBe('Ada signed Grace out (3 sessions)')
  expect([say('audit.lost', { number: 1 }), say('audit.lost', { number: 2 })]).toEqual([
    '1 entry could not be written, and is lost',
    '2 entries could not be written, and are lost',
  ])
})
