import { expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { Glob } from 'bun'
import { importsOf } from './imports.ts'

const SRC = resolve(import.meta.dir, '../../src')

/** The one file that calls fetch: for the proxy, and for questions of our own. */
const NETWORK = 'console/network.ts'
const MARK = 'GLOBAL_FETCH'
const GLOBALS = ['fetch', 'globalThis.fetch', 'Bun.fetch', 'XMLHttpRequest']
const globals = new Bun.Transpiler({ define: Object.fromEntries(GLOBALS.map(name => [name, MARK])) })
const callsFetch = (text: string, file = 'a.ts'): boolean =>
  globals.transformSync(text, file.endsWith('x') ? 'tsx' : 'ts').includes(MARK)

const texts = new Map<string, string>()
for (const file of new Glob('**/*.{ts,tsx}').scanSync(SRC)) texts.set(file, await Bun.file(join(SRC, file)).text())
const where = (holds: (text: string, file: string) => boolean) =>
  [...texts].filter(([file, text]) => holds(text, file)).map(([file]) => file)

test.each([
  ['fetch(address)', true],
  ['const ask = fetch', true],
  ['const ports = { fetch }', true],
  ['globalThis.fetch(address)', true],
  ['Bun.fetch(address)', true],
  ['function ask(fetch: Fetch) { return fetch(address) }', false],
  ['const { fetch } = ports; fetch(address)', false],
  ['listen({ fetch: answer }); app.fetch(request)', false],
  ['// fetch(address)\nconst script = `fetch(1)`; say(script)', false],
])('of fetch the global one counts: %s', (text, calls) => expect(callsFetch(text)).toBe(calls))

test('fetch is called in one place, so that whoever asks passes what it is asked through', () => {
  expect(where(callsFetch)).toEqual([NETWORK])
  const other = [...texts].filter(([, text]) =>
    importsOf(text).some(({ names, when }) => when !== 'never' && /^(?:node:)?https?2?$|^undici$|^bun$/.test(names)),
  )
  expect(other.map(([file]) => file)).toEqual([])
})

test('what comes as it is goes to the proxy alone; everybody else asks', () => {
  expect(where(text => /\bforward\(origin|\.forward\(/.test(text))).toEqual(['proxy/exchange.ts'])
  const named = where(text =>
    /console\/network\.ts'|'\.\/network\.ts'.*forward|\bforward\b.*'\.\/network\.ts'/.test(text),
  )
  expect(named.sort()).toEqual(['cli/health.ts', 'console/process.ts', 'migrate/caddy/adapt.ts'])
})

test('how long a question may take is counted in turns, so that what has come while this process was held up is in time', () => {
  expect(where(text => text.includes('AbortSignal.timeout('))).toEqual([])
})
