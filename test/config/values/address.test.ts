import { expect, test } from 'bun:test'
import { parseInternalUrl, parseIssuer, parsePortalUrl, parseUpstream } from '../../../src/config/values/address.ts'

test('no part of a password is repeated, wherever its first slash or @ is', () => {
  for (const parse of [parseIssuer, parseInternalUrl, parsePortalUrl, parseUpstream]) {
    for (const login of ['me:s3cret', 'me:s3cret/x', 'me:s3cret\\x', 'me:x/s3cret', 'me:x@y/s3cret', 'me:s3cret@y/z']) {
      const read = parse(`https://${login}@app.example.com`)
      const { message, hint } = read.ok ? { message: '', hint: '' } : read
      expect([login, read.ok, hint.includes('s3cret')]).toEqual([login, false, false])
      expect(message).toMatch(/^a user name or password cannot be in /)
      expect(hint).toContain('"https://app.example.com"')
    }
  }
  expect(parseUpstream('http://app:3000/users/@me').ok).toBe(true)
  expect(parseUpstream('http://[::1]:3000/users/@me').ok).toBe(true)
  expect(parseUpstream('http://me:s3cret')).toMatchObject({ ok: false, hint: 'there is a colon in it' })
  expect(parseUpstream('http://fe80::a')).toMatchObject({ ok: false, hint: 'IPv6 goes in brackets: "[fe80::a]"' })
})
