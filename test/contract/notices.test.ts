import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NOTICES, noticesText } from '../../.ci/notices.ts'
import { compiledBinary } from '../kit/programs/binary.ts'
import { packagesInBundle } from '../kit/programs/bundled.ts'

const ROOT = join(import.meta.dir, '../..')
/** They bring none; where the repository of each says which one it has is in the notices. */
const WITHOUT_TEXT = ['@tombi-toml/wasm-lib', '@redis/client']

test('every package that is bundled has its licence in the notices, word by word', async () => {
  const text = noticesText(ROOT)
  const bundled = [...(await packagesInBundle())]
  expect(bundled.length).toBeGreaterThan(10)
  const version = (name: string) =>
    JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version
  expect(bundled.filter(name => !text.includes(`\n${name} ${version(name)}\nLicence: `))).toEqual([])
  const without = bundled.filter(name => {
    const folder = join(ROOT, 'node_modules', name)
    const files = readdirSync(folder).filter(file => /licen[cs]e/i.test(file))
    return files.length === 0 || files.some(file => !text.includes(readFileSync(join(folder, file), 'utf8').trim()))
  })
  expect(without).toEqual(WITHOUT_TEXT)
  expect(text).toContain('@tombi-toml/wasm-lib')
  // Icons are marks of their owners.
  expect(text).toContain(readFileSync(join(ROOT, 'node_modules/simple-icons/DISCLAIMER.md'), 'utf8').trim())
  expect(text).toContain('https://github.com/tombi-toml/tombi')
})

test('what Bun contains is named with licence and address, and lies beside the executable', async () => {
  const beside = join(dirname(await compiledBinary()), NOTICES)
  expect(existsSync(beside)).toBe(true)
  const text = readFileSync(beside, 'utf8')
  expect(text).toBe(noticesText(ROOT))
  expect(text).toContain(`\nBun ${Bun.version}\nLicence: MIT\n`)
  for (const part of ['JavaScriptCore and WebKit: LGPL-2.1', 'ICU: Unicode-3.0', 'BoringSSL: ', 'tinycc: LGPL-2.1']) {
    expect(text).toMatch(new RegExp(`- ${part}.*\\n  https://`))
  }
})
