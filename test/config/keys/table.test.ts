import { expect, test } from 'bun:test'
import { defaulted, type Keys, known, optional, required, table } from '../../../src/config/keys/table.ts'
import { parseRaw } from '../../../src/config/text/raw.ts'
import { createReport } from '../../../src/config/text/report.ts'
import { boolean, text } from '../../../src/config/values/value.ts'

const ROOM = {
  name: required(text(), 'hall', 'How it is called.'),
  open: defaulted(boolean, true, false, 'Whether it is open.'),
  note: optional(text(), 'cold', 'none', 'Something about it.'),
} as const satisfies Keys

function read(value: { readonly [name: string]: string | boolean }) {
  const raw = parseRaw(value, [])
  const read = raw.ok ? table(ROOM, { title: 'room' }).read(raw.value, createReport()) : undefined
  if (read === undefined) throw new TypeError('a table is a table')
  return read
}

test('what a table of keys names has a value of its type in a table without mistakes', () => {
  const room: { readonly name: string; readonly open: boolean; readonly note: string | null } = known(
    read({ name: 'hall' }),
  )
  expect(room).toEqual({ name: 'hall', open: true, note: null })
})

test('the compiler refuses a key that the table of keys does not name', () => {
  const room = known(read({ name: 'hall' }))
  // @ts-expect-error: there is no such key
  expect(room.opened).toBeUndefined()
  // @ts-expect-error: it is true or false
  const isOpen: string = room.open
  expect(isOpen as unknown).toBe(true)
})

test('a mistake that was not reported is a bug of ours, whichever key it is at', () => {
  expect(() => known(read({}))).toThrow(new TypeError('name has no value and no diagnostic'))
  expect(() => known(read({ name: 'hall', open: 'yes' }))).toThrow(new TypeError('open has no value and no diagnostic'))
})
