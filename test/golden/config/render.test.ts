import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { checkConfig } from '../../../src/config/check.ts'
import { renderDiagnostics } from '../../../src/config/render-diagnostics.ts'
import { configSchema } from '../../../src/config/keys/keys.ts'

const here = (name: string) => new URL(name, import.meta.url).pathname

/** Compares with a golden file; with UPDATE_GOLDEN=1 writes it instead. Look at the difference before you commit it. */
function expectGolden(name: string, actual: string): void {
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(here(name), actual)
  expect(actual).toBe(readFileSync(here(name), 'utf8'))
}

function render(name: string, colour: boolean): string {
  const text = readFileSync(here(name), 'utf8')
  const result = checkConfig(text, { file: name, env: () => undefined, readText: () => '', readBytes: () => new Uint8Array() })
  return renderDiagnostics(result.ok ? result.warnings : result.diagnostics, new Map([[name, text]]), { colour })
}

test('mistakes are shown with line, caret and hint', () => expectGolden('frames.txt', render('frames.toml', false)))

test('a syntax error is shown where TOML ends', () => expectGolden('syntax.txt', render('syntax.toml', false)))

test('colours add nothing but colour', () => {
  const coloured = render('frames.toml', true)
  expect(coloured).toContain('\x1b[1;31m')
  expect(Bun.stripANSI(coloured)).toBe(render('frames.toml', false))
})

test('neither a file nor a value can drive the terminal', () => {
  const text = '# \u001b[2J\u202e\nx = "a\u001b[31m'
  const result = checkConfig(text, { file: 'r\u001b.toml', env: () => undefined, readText: () => '', readBytes: () => new Uint8Array() })
  const shown = renderDiagnostics(result.ok ? [] : result.diagnostics, new Map([['r\u001b.toml', text]]), {
    colour: false,
  })
  expect(shown).toContain('\uFFFD')
  expect(shown).not.toContain('\u001b')
  expect(shown).not.toContain('\u202e')
})

test('the JSON schema is what editors have been given', () =>
  expectGolden('schema.json', `${JSON.stringify(configSchema(), null, 2)}\n`))
