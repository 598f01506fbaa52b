import { describe, expect, test } from 'bun:test'
import { parseContact } from '../../../src/config/values/email.ts'

describe('whom people ask', () => {
  test.each([
    ['it@example.com', 'it@example.com', 'mailto:it@example.com'],
    ['mailto:it@example.com', 'it@example.com', 'mailto:it@example.com'],
    ['https://help.example.com/', 'help.example.com', 'https://help.example.com/'],
    ['tel:+49301234', '+49301234', 'tel:+49301234'],
    ['Ada, extension 12: ask her', 'Ada, extension 12: ask her', null],
  ])('%s', (text, shown, address) => expect(parseContact(text)).toEqual({ ok: true, value: { text: shown, address } }))

  test.each(['javascript:alert(1)', 'JAVASCRIPT:alert(1)', 'data:text/html,x', 'vbscript:x', 'file:///etc', 'mailto:'])(
    'is never %s',
    text => {
      const parsed = parseContact(text)
      expect(parsed.ok && parsed.value.address).toBe(parsed.ok ? null : false)
    },
  )
})
