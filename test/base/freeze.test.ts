import { describe, expect, test } from 'bun:test'
import { createShared, freezeDeep } from '../../src/base/freeze.ts'

/** A value with every kind of part. */
const made = () => ({ list: [{ a: 1 }, { a: 1 }], map: new Map([['key', { b: ['x'] }]]), text: 'x', none: null })

describe.each([
  ['freezeDeep', freezeDeep],
  ['createShared', createShared()],
] as const)('%s', (_, freeze) => {
  test('nothing of it can be written any more, and it says what it said', () => {
    const value = freeze(made())
    expect(value).toEqual(made())
    expect(() => Reflect.apply(Array.prototype.push, value.list, [1])).toThrow(TypeError)
    for (const write of [
      () => value.map.set('other', { b: [] }),
      () => value.map.delete('key'),
      () => value.map.clear(),
      () => value.map.get('key')?.b.push('y'),
      () => Object.assign(value, { text: 'y' }),
      () => Object.assign(value.list[0] ?? {}, { a: 2 }),
    ]) {
      expect(write).toThrow(TypeError)
    }
    expect(value).toEqual(made())
  })

  test.each([undefined, null, 0, 'text'])('%p is itself', value => {
    expect(freeze(value)).toBe(value)
  })
})

test('parts that say the same are one, and no others', () => {
  const share = createShared()
  const value = share({
    one: { a: [1, '2'] },
    same: { a: [1, '2'] },
    text: { a: ['1', '2'] },
    joined: { a: ['1,2'] },
    list: [['a'], ['a']],
    pattern: [/a/, /a/],
    map: new Map([['key', { a: [1, '2'] }]]),
  })
  expect(value.one).toBe(value.same)
  expect<unknown>(value.map.get('key')).toBe(value.one)
  expect(value.list[0]).toBe(value.list[1] as string[])
  expect<unknown>(value.one).not.toBe(value.text)
  expect(value.text).toEqual({ a: ['1', '2'] })
  expect(value.joined).toEqual({ a: ['1,2'] })
  expect(value.pattern[0]).not.toBe(value.pattern[1] as RegExp)
  expect<unknown>(share({ a: [1, '2'] })).toBe(value.one)
})
