import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { createSealer } from '../../src/session/seal.ts'

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count))

function sealerAt(nowMs: number, key = new Uint8Array(32).fill(7)) {
  return createSealer(key, { now: () => nowMs, random })
}

test('what was sealed opens to an equal value', async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string(), fc.string()), fc.string(), async (value, purpose) => {
      const sealer = sealerAt(1000)
      expect(await sealer.open(await sealer.seal(value, purpose, 2000), purpose)).toEqual(
        JSON.parse(JSON.stringify(value)),
      )
    }),
    { numRuns: 60 },
  )
})

test('a sealed value does not show what it holds, and never looks the same twice', async () => {
  const sealer = sealerAt(0)
  const first = await sealer.seal({ path: '/secret-page' }, 'to', 10)
  expect(Buffer.from(first, 'base64url').toString('latin1')).not.toContain('secret-page')
  expect(first).toMatch(/^[A-Za-z0-9_-]+$/)
  expect(await sealer.seal({ path: '/secret-page' }, 'to', 10)).not.toBe(first)
})

test('an expired value is null from the very millisecond of its expiry', async () => {
  const text = await sealerAt(0).seal({ a: 1 }, 'to', 5000)
  expect(await sealerAt(4999).open(text, 'to')).toEqual({ a: 1 })
  expect(await sealerAt(5000).open(text, 'to')).toBeNull()
})

test('a value sealed for another purpose, or with another key, is null', async () => {
  const text = await sealerAt(0).seal({ a: 1 }, 'to', 5000)
  expect(await sealerAt(0).open(text, 'logout')).toBeNull()
  expect(await sealerAt(0, new Uint8Array(32).fill(8)).open(text, 'to')).toBeNull()
})

test('of several keys the first seals, and all open', async () => {
  const keys = [7, 8, 9].map(byte => new Uint8Array(32).fill(byte))
  const ports = { now: () => 0, random }
  const [oldest = new Uint8Array(), before = new Uint8Array(), next = new Uint8Array()] = keys
  const both = createSealer(before, ports, [oldest])
  const old = await createSealer(oldest, ports).seal({ a: 1 }, 'to', 5000)
  expect([await both.open(old, 'to'), await both.open(old, 'logout')]).toEqual([{ a: 1 }, null])
  const sealed = await both.seal({ a: 2 }, 'to', 5000)
  expect(await createSealer(oldest, ports).open(sealed, 'to')).toBeNull()
  const all = createSealer(next, ports, [before, oldest])
  expect([await all.open(old, 'to'), await all.open(sealed, 'to')]).toEqual([{ a: 1 }, { a: 2 }])
  expect(() => createSealer(next, ports, [new Uint8Array(16)])).toThrow(TypeError)
})

test('every flipped bit, cut and odd spelling is null', async () => {
  const sealer = sealerAt(0)
  const text = await sealer.seal({ a: 1 }, 'to', 5000)
  const bytes = Buffer.from(text, 'base64url')
  for (let index = 0; index < bytes.length; index++) {
    const forged = Buffer.from(bytes)
    forged[index] = (forged[index] ?? 0) ^ 1
    expect(await sealer.open(forged.toString('base64url'), 'to')).toBeNull()
  }
  for (const odd of ['', ' ', '=', `${text}=`, `${text}A`, text.slice(1), text.slice(0, -1), 'é', 'A'.repeat(40)]) {
    expect(await sealer.open(odd, 'to')).toBeNull()
  }
})

test('a key of the wrong length and an endless lifetime are our own bugs', async () => {
  expect(() => createSealer(new Uint8Array(16), { now: () => 0, random })).toThrow(TypeError)
  expect(sealerAt(0).seal({}, 'to', Number.POSITIVE_INFINITY)).rejects.toThrow(TypeError)
})
