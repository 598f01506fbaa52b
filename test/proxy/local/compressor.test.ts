import { expect, test } from 'bun:test'
import { gunzipSync } from 'node:zlib'
import { createCompressor } from '../../../src/proxy/local/compressor.ts'

const text = (bytes: number) => new Uint8Array(bytes).fill(97)

/** A reader that says how often it was asked. */
function counting(content: Uint8Array) {
  let reads = 0
  const read = () => {
    reads++
    return Promise.resolve(content)
  }
  return { read, reads: () => reads }
}

test('a file is read and compressed once, however many ask for it', async () => {
  const compressor = createCompressor()
  const file = counting(text(5_000))
  const ask = () => compressor.gzip('v1', 5_000, file.read)
  const all = await Promise.all([ask(), ask(), ask()])
  expect(all.map(made => made !== null && gunzipSync(made).length)).toEqual([5_000, 5_000, 5_000])
  await ask()
  expect(file.reads()).toBe(1)
  await compressor.gzip('v2', 5_000, file.read)
  expect(file.reads()).toBe(2)
})

test('what gets no shorter is found out once', async () => {
  const compressor = createCompressor()
  const file = counting(crypto.getRandomValues(new Uint8Array(5_000)))
  expect(await compressor.gzip('v1', 5_000, file.read)).toBeNull()
  expect(await compressor.gzip('v1', 5_000, file.read)).toBeNull()
  expect(file.reads()).toBe(1)
})

test('what changed while it was read, is short or is long is left as it is', async () => {
  const compressor = createCompressor()
  expect(await compressor.gzip('a', 4_999, counting(text(5_000)).read)).toBeNull()
  for (const bytes of [0, 1_023, 1_048_577]) {
    const file = counting(text(bytes))
    expect(await compressor.gzip(`b${bytes}`, bytes, file.read)).toBeNull()
    expect(file.reads()).toBe(0)
  }
})

test('more than four at a time are not waited for, and a file that cannot be read is in nobody’s way afterwards', async () => {
  const compressor = createCompressor()
  const open = Promise.withResolvers<Uint8Array>()
  const under = [1, 2, 3, 4].map(number => compressor.gzip(`v${number}`, 5_000, () => open.promise))
  expect(await compressor.gzip('v5', 5_000, counting(text(5_000)).read)).toBeNull()
  open.reject(new Error('gone'))
  expect(await Promise.all(under)).toEqual([null, null, null, null])
  expect(await compressor.gzip('v1', 5_000, counting(text(5_000)).read)).not.toBeNull()
})

test('no more than 16 MiB are kept, those that were asked for last', async () => {
  const compressor = createCompressor()
  // Half of it is noise: what is kept of each is a little more than half a mebibyte.
  const content = text(1_048_576)
  for (let at = 0; at < 524_288; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536))
  const ask = async (name: string) => {
    const file = counting(content)
    await compressor.gzip(name, content.length, file.read)
    return file.reads()
  }
  for (let number = 0; number < 30; number++) await ask(`v${number}`)
  expect(await ask('v0')).toBe(0)
  for (let number = 30; number < 34; number++) await ask(`v${number}`)
  expect([await ask('v0'), await ask('v1')]).toEqual([0, 1])
})
