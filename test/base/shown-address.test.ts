import { describe, expect, test } from 'bun:test'
import { shownAddress, withShownAddresses } from '../../src/base/shown-address.ts'

describe('of an address is not shown', () => {
  test.each([
    ['https://h/x', 'https://h/x'],
    ['https://h/x?', 'https://h/x?'],
    ['https://h/x?key=planted', 'https://h/x?…'],
    ['https://h/x#planted', 'https://h/x#…'],
    ['https://h?planted#planted', 'https://h?…'],
    ['/healthz?token=planted', '/healthz?…'],
    ['/healthz', '/healthz'],
    ['redis://user:planted@h:6379/0', 'redis://…@h:6379/0'],
    ['redis://user:plan/ted@h/0?planted', 'redis://…@h/0?…'],
    ['https://h/x?mail=planted@planted', 'https://…'],
    ['redis://u:plan?ted@h/0', 'redis://…'],
    ['redis://default:planted', 'redis://…'],
    ['rediss+sentinel://s1:26379,default:plan/ted', 'rediss+sentinel://…'],
    ['valkey://:planted', 'valkey://…'],
    ['redis://[::1]:6379/0', 'redis://[::1]:6379/0'],
    ['redis+cluster://n1:6379,n2:6379,n3', 'redis+cluster://n1:6379,n2:6379,n3'],
    ['"https://h/x?planted"', '"https://h/x?…"'],
    ['h.example/x?planted', 'h.example/x?…'],
    ['localhost:3000?planted', 'localhost:3000?…'],
    ['Is it? #1', 'Is it? #1'],
    ['who@example.com?', 'who@example.com?'],
    ['https://a?planted and https://b#planted', 'https://a?… and https://b#…'],
    ['admin:planted@10.0.0.1:80', '…@10.0.0.1:80'],
    ['"admin:plan/ted@h:80?planted"', '"…@h:80?…"'],
    ['admin:/planted@h', 'admin:/…@h'],
    ['u:plan?ted@h', '…'],
    ['http:/u:planted@h', 'http:/…@h'],
    ['http//u:planted@h', 'http//…@h'],
    ['//u:planted@h', '//…@h'],
    ['http:\\\\u:planted@h', 'http:\\\\…@h'],
    ['"redis:/:planted@h"', '"redis:/…@h"'],
    [':planted@h:6379', '…@h:6379'],
    ['ada@example.com:planted@h', '…@h'],
    ['["u:planted@h", "u:planted@h"], see https://a', '["…@h", "…@h"], see https://a'],
    ['u:planted@h and http://u:planted@h', '…@h and http://…@h'],
    ['who@example.com, mailto:who@example.com', 'who@example.com, mailto:who@example.com'],
    ['redis://:${KEY}@h', 'redis://:${KEY}@h'],
    ['${NAME}:${file:/run/a@b}@h', '${NAME}:${file:/run/a@b}@h'],
    ['${file:/run/a@b}', '${file:/run/a@b}'],
    ['redis://$${planted}@h', 'redis://…@h'],
  ])('login, query and fragment: %s', (text, shown) => expect(shownAddress(text)).toBe(shown))

  test('in a sentence neither, and whatever else is in it stays', () =>
    expect(withShownAddresses('"https://h/x?planted" is not "redis://u:planted@h", ask who@example.com?')).toBe(
      '"https://h/x?…" is not "redis://…@h", ask who@example.com?',
    ))

  test('of a login without a scheme in a sentence neither', () =>
    expect(withShownAddresses('"u:planted@h:80" is no URL, write "rediss://:${KEY}@h"')).toBe(
      '"…@h:80" is no URL, write "rediss://:${KEY}@h"',
    ))

  test.each([
    ['https://h/users/@me answered 401', 'https://h/users/@me answered 401'],
    ['https://h/users/@me?planted', 'https://h/users/@me?…'],
    ['https://planted@h/users/@me', 'https://…@me'],
    ['redis://u:plan/ted@h', 'redis://…@h'],
    ['no answer of u:planted@h', 'no answer of …@h'],
  ])('in what a program says, an @ of a path is none of a login: %s', (text, shown) =>
    expect(withShownAddresses(text, 'program')).toBe(shown),
  )
})
