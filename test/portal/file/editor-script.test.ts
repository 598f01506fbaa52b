import { expect, test } from 'bun:test'
import { editorKeys, editorScript } from '../../../src/portal/file/editor-script.ts'

test('the editor has every table of the schema with its keys, what they are for, and their values where these are few', () => {
  const { tables, lists } = editorKeys()
  expect(Object.keys(tables)).toEqual(expect.arrayContaining(['', 'server', 'portals.*', 'routes', 'routes.upstream']))
  expect(lists).toEqual(expect.arrayContaining(['routes', 'expect']))
  expect(tables.server?.edit?.[1]).toEqual(['true', 'false'])
  expect(tables.log?.format?.[1]).toContain('"json"')
  for (const [path, keys] of Object.entries(tables)) {
    for (const [key, [about]] of Object.entries(keys)) expect(`${path} ${key}: ${about.length > 0}`).toEndWith('true')
  }
})

test('the editor is one script without imports, under 200 kB as browsers load it', async () => {
  const { hash, plain, gzipped } = await editorScript()
  expect(hash).toMatch(/^[\w-]{16}$/)
  expect(gzipped.length).toBeLessThan(200_000)
  const text = new TextDecoder().decode(Bun.gunzipSync(gzipped))
  expect(text).toBe(new TextDecoder().decode(plain))
  expect(text).not.toMatch(/^\s*(?:import|export) /m)
  expect(await editorScript()).toBe(await editorScript())
})
