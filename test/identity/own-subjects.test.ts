import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { isOwnSubject, OWN_SUBJECTS } from '../../src/identity/own-subjects.ts'
import { userSubject } from '../../src/identity/passwords/users.ts'
import { guestIdentity } from '../../src/session/credentials/guest-links.ts'

const OWN: readonly (readonly [string, string])[] = [
  ['as it is given', 'htpasswd:ada'],
  ['a guest’s', 'guest:0123456789abcdef'],
  ['a service’s', 'token:backup'],
  ['nobody’s in particular', 'htpasswd:'],
  ['in capitals', 'HTPASSWD:ada'],
  ['mixed', 'HtPasswd:ada'],
  ['with a blank before it', ' htpasswd:ada'],
  ['with a blank inside', 'htpasswd :ada'],
  ['with a blank that is none of ASCII', '\u00a0htpasswd\u2003:ada'],
  ['with a control character', 'ht\u0000passwd\t:ada'],
  ['with characters that nobody sees', 'ht\u200bpass\u00adwd\ufeff:ada'],
  ['with a mark of direction', '\u202ehtpasswd:ada'],
  ['in full width', 'ｈｔｐａｓｓｗｄ：ada'],
  ['with a small colon', 'htpasswd﹕ada'],
  ['with an upright colon', 'htpasswd︓ada'],
  ['with a long s', 'htpaſſwd:ada'],
  ['with a sharp s', 'htpaßwd:ada'],
  ['with a Kelvin sign', 'to\u212aen:backup'],
  ['with a ligature', 'gueﬆ:0123456789abcdef'],
  ['in mathematical letters', '𝐠𝐮𝐞𝐬𝐭:0123456789abcdef'],
  ['in circled letters', 'ⓣⓞⓚⓔⓝ:backup'],
  ['with accents', 'tóken:backup'],
  ['with accents that stand apart', 'to\u0301ken:backup'],
  ['with dashes', 'ht-pass_wd:ada'],
  ['with an escaped colon', 'htpasswd%3Aada'],
  ['with an escaped colon in small letters', 'htpasswd%3aada'],
  ['escaped twice', 'htpasswd%253Aada'],
  ['escaped in full', '%68%74%70%61%73%73%77%64%3a%61%64%61'],
  ['with an escaped full-width colon', 'htpasswd%EF%BC%9Aada'],
  ['with an escape in the midst', 'gu%65st:0123456789abcdef'],
  ['escaped very often', `x%${'25'.repeat(20)}3A`],
]
test.each(OWN)('%s, a subject is one of our own', (_how, subject) => expect(isOwnSubject(subject)).toBe(true))

const THEIRS: readonly string[] = [
  'ada',
  'auth0|5f7c8ec7c33c6c004bbafe82',
  '1f0c9e2a-7e0d-4a8e-9d0a-0b7a1c2d3e4f',
  'https://id.example/users/ada',
  'urn:uuid:1f0c9e2a',
  'htpasswd',
  'guest',
  'token',
  'guests:ada',
  'my-guest:ada',
  'htpasswd-ada',
  'ada:guest:1',
  ':guest',
  '%',
  '%zz',
  '100%25',
  'ä%C3%A4',
]
test.each(THEIRS)('%p is a provider’s', subject => expect(isOwnSubject(subject)).toBe(false))

test('whatever is given here is one of our own', () => {
  expect(isOwnSubject(userSubject('ada'))).toBe(true)
  expect(isOwnSubject(guestIdentity('guest:0123456789abcdef', 'n').subject)).toBe(true)
  for (const prefix of Object.values(OWN_SUBJECTS)) expect(isOwnSubject(`${prefix}x`)).toBe(true)
})

test('no escape of a character and no change of case makes another of it', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.values(OWN_SUBJECTS)),
      fc.string(),
      fc.array(fc.constantFrom('as-is', 'upper', 'escape'), { minLength: 9, maxLength: 9 }),
      (prefix, name, how) => {
        const spelled = [...prefix].map((letter, index) => {
          if (how[index] === 'upper') return letter.toUpperCase()
          return how[index] === 'escape' ? `%${letter.charCodeAt(0).toString(16)}` : letter
        })
        return isOwnSubject(spelled.join('') + name)
      },
    ),
  )
})
