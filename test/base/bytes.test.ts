import { describe, expect, test } from 'bun:test'
import { basicField } from '../../src/base/basic-auth.ts'
import { isToken, randomToken, sha256, toBase64Url } from '../../src/base/bytes.ts'
import { showTurning, showUnseen } from '../../src/base/control-characters.ts'

describe('bytes', () => {
  test('RFC 4648 §5: base64url has no padding, and nothing that an address would change', () => {
    expect(toBase64Url(new Uint8Array([0xfb, 0xff, 0xfe, 0x3e]))).toBe('-__-Pg')
    expect(toBase64Url(new Uint8Array())).toBe('')
  })

  test('a view is its own bytes alone, not those of the buffer below', () => {
    expect(toBase64Url(new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4))).toBe('AQID')
    expect(sha256(new Uint8Array([9, 1, 2, 9]).subarray(1, 3))).toBe(sha256(new Uint8Array([1, 2])))
  })

  test('FIPS 180-4: SHA-256 of text is that of its UTF-8', () => {
    expect(Buffer.from(sha256('abc'), 'base64url').toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    )
    expect(sha256('ä')).toBe(sha256(new Uint8Array([0xc3, 0xa4])))
  })

  test('a token holds 256 bits of what it is given, and has a shape of its own', () => {
    const asked: number[] = []
    const token = randomToken(count => {
      asked.push(count)
      return new Uint8Array(count).fill(255)
    })
    expect(asked).toEqual([32])
    expect(isToken(token)).toBe(true)
    for (const other of ['', token.slice(1), `${token}A`, `${token}\n`, `${token.slice(1)}=`, `${token.slice(1)}+`]) {
      expect([other, isToken(other)]).toEqual([other, false])
    }
  })
})

describe('marks that nobody sees', () => {
  test('what turns the direction is an escape, and everything else stays', () => {
    expect(showTurning('a\u202eb\u2066c\u200fd\ne ä\u{1f600}')).toBe('a\\u202eb\\u2066c\\u200fd\ne ä\u{1f600}')
  })

  test('in one line, so is what would end it', () => {
    expect(showUnseen('a\u202eb\nc\r\td\x1b[0m\x9be\u2028f\u2029g\x00\x7f ä')).toBe(
      'a\\u202eb\\u000ac\\u000d\\u0009d\\u001b[0m\\u009be\\u2028f\\u2029g\\u0000\\u007f ä',
    )
  })
})

test.each([
  ['ada', 'secret', 'Basic YWRhOnNlY3JldA=='],
  ['ada', 'a:b', 'Basic YWRhOmE6Yg=='],
  ['', '', 'Basic Og=='],
  ['test', '123£', 'Basic dGVzdDoxMjPCow=='],
  ['a:da', 'x', null],
  ['ada', 'x\n', null],
  ['a\x00da', 'x', null],
  ['ada', '\x85', null],
])('RFC 7617 §2: %j with %j is %j', (user, password, field) => {
  expect(basicField(user, password)).toBe(field)
})
