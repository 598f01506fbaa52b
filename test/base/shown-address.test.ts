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
    ['"https://h/x?planted"', '"https://h/x?…"'],
    ['h.example/x?planted', 'h.example/x?…'],
    ['localhost:3000?planted', 'localhost:3000?…'],
    ['Is it? #1', 'Is it? #1'],
    ['who@example.com?', 'who@example.com?'],
    ['https://a?planted and https://b#planted', 'https://a?… and https://b#…'],
  ])('login, query and fragment: %s', (text, shown) => expect(shownAddress(text)).toBe(shown))

  test('in a sentence neither, and whatever else is in it stays', () =>
    expect(withShownAddresses('"https://h/x?planted" is not "redis://u:planted@h", ask who@example.com?')).toBe(
      '"https://h/x?…" is not "redis://…@h", ask who@example.com?',
    ))
})
