import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CORPUS, corpusPath, readCorpus, writeCorpus } from './corpus.ts'
import { fuzz } from './engine.ts'
import { readMessage } from './framing.ts'
import { bytesOf, hold, type Subject, textOf } from './subject.ts'
import { SUBJECTS } from './subjects.ts'

describe('what was found before', () => {
  test.each(SUBJECTS.map(subject => [subject.name, subject] as const))(
    '%s: holds for every input that is kept',
    async (name, subject) => {
      const inputs = readCorpus(name)
      expect(inputs.length).toBeGreaterThan(10)
      const { findings, behaviours } = await fuzz(subject, {
        seed: 1,
        corpus: inputs,
        slowMs: Infinity,
        goesOn: () => false,
      })
      expect(findings).toEqual([])
      // Inputs that all led to the same would show nothing.
      expect(behaviours).toBeGreaterThan(8)
    },
    300_000,
  )

  test('is small, and of subjects that there are', () => {
    const files = readdirSync(CORPUS)
    expect(files.toSorted()).toEqual(SUBJECTS.map(({ name }) => `${name}.txt`).toSorted())
    expect(files.reduce((sum, file) => sum + statSync(join(CORPUS, file)).size, 0)).toBeLessThan(1_000_000)
  })

  test('is read as it was written, byte for byte', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-corpus-'))
    const inputs = [Uint8Array.from({ length: 256 }, (_, byte) => byte), bytesOf('"\\n'), bytesOf('x')]
    writeCorpus('any', inputs, folder)
    expect(readCorpus('any', folder).map(textOf)).toEqual(inputs.map(textOf))
    rmSync(folder, { recursive: true })
    expect(existsSync(corpusPath('any', folder))).toBe(false)
  })
})

/** A parser with a hole: three letters in a row. */
const HOLED: Subject = {
  name: 'holed',
  seeds: ['a', 'good input'],
  words: ['b', 'c'],
  maxBytes: 20,
  open: () => ({
    attempt(input) {
      const text = textOf(input)
      const reached = ['a', 'ab', 'abc'].filter(part => text.includes(part)).length
      hold(reached < 3, 'nothing has all three')
      if (text.includes('cc')) throw new TypeError('a mistake of our own')
      return String(reached)
    },
  }),
}

describe('the fuzzer', () => {
  const run = (seed: number) => fuzz(HOLED, { seed, corpus: [], slowMs: Infinity, goesOn: tried => tried < 3000 })

  test('finds holes one step at a time, and makes what shows them short', async () => {
    const { findings, fresh } = await run(1)
    expect(findings.map(({ input, message }) => [textOf(input), message]).toSorted()).toEqual([
      ['abc', 'Error: nothing has all three'],
      ['cc', 'TypeError: a mistake of our own'],
    ])
    expect(fresh.length).toBeGreaterThan(1)
  })

  test('does the same again by the same seed, and something else by another', async () => {
    const [first, again, other] = [await run(7), await run(7), await run(8)]
    expect(again).toEqual(first)
    expect(other.fresh).not.toEqual(first.fresh)
  })
})

describe('the plain reader of messages', () => {
  const read = (text: string, isClosed = false) => readMessage(Buffer.from(text, 'latin1'), false, isClosed)

  test.each([
    'GET / HTTP/1.1\r\nA: 1\nB: 2\r\n\r\n',
    'GET / HTTP/1.1\r\nA : 1\r\n\r\n',
    'GET /a b HTTP/1.1\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
  ])('%j is none', text => expect(read(text)).toBe('malformed'))

  test('an answer that breaks off is none, and more of it may come before', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell'
    expect([read(text), read(text, true)]).toEqual(['more', 'malformed'])
  })

  test('what follows a message is not part of it', () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
    expect(read(`${chunked}HTTP/1.1`)).toMatchObject({ length: chunked.length, body: Buffer.from('hello') })
  })
})
