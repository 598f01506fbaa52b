import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RECIPE_NAMES, readRecipe } from '../../../src/cli/recipe/recipe.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { Config } from '../../../src/config/resolve/config.ts'
import { identityFrom } from '../../../src/console/identity-argument.ts'
import { readBytes, readText } from '../../../src/console/read-file.ts'
import { explain } from '../../../src/server/preview/explain.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { SERVICE_CASES } from './service-cases.ts'

const FOLDER = join(import.meta.dir, '../../../docs/recipes/services')
const files = readdirSync(FOLDER)

/** A file that has what every recipe says that it is for, and nothing else. */
const AROUND = `[providers.main]
issuer = "https://id.example.com"
client_id = "sallyport"

[portals.home]
url = "https://auth.example.com"
providers = ["main"]
roles = { user = { groups = ["users"] } }

`

const OTHER = `
[[routes]]
host = "other.example.com"
upstream = "http://other:80"
portal = "home"
allow = ["user"]
`

/** The recipe with every choice made. */
function chosen(text: string): string {
  return text.replace(/^(\s*)#(?=[^\s#])/gm, '$1')
}

/** The file with this recipe, which has to be good, without so much as a warning. */
function load(recipe: string): Config {
  using folder = temporaryFolder()
  const path = join(folder.path, 'routes.toml')
  // A portal that nothing uses is told; the route of a provider has none.
  const other = recipe.includes('portal = "home"') ? '' : OTHER
  writeFileSync(path, AROUND + recipe + other)
  // A secret that it names is there.
  const env = (name: string) => (recipe.includes(`\${${name}}`) ? 'text' : undefined)
  const loaded = loadConfig(path, { readText, readBytes, env, now: Date.now })
  expect(loaded.ok ? loaded.warnings : loaded.diagnostics).toEqual([])
  if (!loaded.ok) throw new Error('the file is not good')
  return loaded.config
}

/** The verdict on `METHOD /path`, or `/path` for GET; `claims` as explain takes them, null for nobody. */
function verdict(config: Config, asked: string, claims: string | null, client = '203.0.113.9') {
  const [path = '', method = 'GET'] = asked.split(' ').reverse()
  const nowMs = Date.parse('2026-05-04T12:00:00Z')
  return explain(config, {
    url: rawAddress(`https://app.example.com${path}`),
    identity: claims === null ? null : identityFrom(claims, config),
    facts: { method, client, nowMs, signedInAtMs: claims === null ? null : nowMs },
  }).verdict
}

/** An address as a client may write it, from which a URL would take dot segments out. */
function rawAddress(href: string): URL {
  return Object.defineProperty(new URL(href), 'href', { value: href })
}

test('every recipe of docs is one of the program, and has its cases', () => {
  expect(files.map(name => name.replace(/\.toml$/, '')).sort()).toEqual([...RECIPE_NAMES].sort())
  expect(Object.keys(SERVICE_CASES).sort()).toEqual([...RECIPE_NAMES].sort())
})

test('docs say of every recipe whether it was run in front of its application, and of no other that the tests do it', () => {
  const chapter = readFileSync(join(FOLDER, '../../recipes.md'), 'utf8')
  const said = new Map(
    Array.from(
      chapter.matchAll(/^\| \[([\w-]+)\]\(recipes\/services\/.*\| ([^|]*) \|$/gm),
      ([, name = '', ran = '']) => [name, ran],
    ),
  )
  expect([...said.keys()].sort()).toEqual([...RECIPE_NAMES].sort())
  for (const [name, ran] of said)
    expect([name, ran]).toEqual([name, expect.stringMatching(/^(?:every time|once: .+|\*\*never\*\*)$/)])
  const started = readFileSync(join(import.meta.dir, '../../browser/services.test.ts'), 'utf8')
  const run = Array.from(started.matchAll(/^ {2}'?([\w-]+)'?: keep\(await start/gm), ([, name = '']) => name)
  expect(
    [...said]
      .filter(([, ran]) => ran === 'every time')
      .map(([name]) => name)
      .sort(),
  ).toEqual(run.sort())
})

describe.each(RECIPE_NAMES.map(name => [name] as const))('the recipe for %s', name => {
  const text = readFileSync(join(FOLDER, `${name}.toml`), 'utf8')
  const cases = SERVICE_CASES[name]
  if (cases === undefined) throw new Error(`${name} has no cases`)
  const { open, chosen: alsoOpen, closed, takesTokens = false, chosenFrom } = cases

  test('is read by the program as it stands in docs, says in its first line what it is, and is narrow', async () => {
    const recipe = await readRecipe(name)
    expect(recipe?.text).toBe(text)
    expect(recipe?.about).toMatch(/^\S.{0,25}: \S.*$/)
    expect(`${name.padEnd(14)}  ${recipe?.about}`.length).toBeLessThanOrEqual(82)
    expect(text.split('\n').filter(line => line.length > 118)).toEqual([])
    expect(text.endsWith('\n')).toBe(true)
  })

  test('names one host and one application, by the examples that are put in place', () => {
    const routes = Bun.TOML.parse(text) as { readonly routes: readonly Record<string, unknown>[] }
    for (const { host, upstream, portal = 'home' } of routes.routes) {
      expect([host, portal]).toEqual(['app.example.com', 'home'])
      expect(upstream).toMatch(/^http:\/\/app:\d+$/)
    }
    const [first] = routes.routes
    expect(Object.keys(first ?? {}).slice(0, 3)).toEqual(['name', 'host', 'upstream'])
    expect(new Set(routes.routes.map(({ upstream }) => upstream)).size).toBe(1)
  })

  test('says why of everything that it opens', () => {
    const lines = text.split('\n')
    for (const [index, line] of lines.entries()) {
      if (!/^\s*#?\{ (?:paths|networks)/.test(line)) continue
      expect([line, lines[index - 1]]).toEqual([line, expect.stringMatching(/^\s+(?:# \S|#\{ paths)/)])
    }
  })

  for (const [about, config, isOpen] of [
    ['as it is printed', load(text), open],
    ['with every choice made', load(chosen(text)), [...open, ...alsoOpen]],
  ] as const) {
    test(`${about} is open to everybody where it says so, and nowhere else`, () => {
      for (const asked of isOpen) expect([asked, verdict(config, asked, null)]).toEqual([asked, 'allow'])
      for (const asked of closed) {
        expect([asked, verdict(config, asked, null)]).not.toEqual([asked, 'allow'])
        expect([asked, verdict(config, asked, 'sub=eve,groups=strangers')]).not.toEqual([asked, 'allow'])
      }
      const shut = about === 'as it is printed' ? alsoOpen : []
      for (const asked of shut) expect([asked, verdict(config, asked, null)]).toEqual([asked, 'sign-in'])
      for (const asked of [...isOpen, ...closed]) {
        const known = verdict(config, asked, 'sub=ada,groups=users')
        if (!asked.includes('..') && !asked.includes('%2')) expect([asked, known]).toEqual([asked, 'allow'])
      }
    })
  }

  test('takes tokens where its clients need them, and passes people by network only by choice', () => {
    const config = load(text)
    expect(config.routes.some(({ tokens }) => tokens)).toBe(takesTokens)
    const from = chosenFrom ?? '192.168.1.7'
    for (const asked of closed) expect(verdict(config, asked, null, from)).not.toBe('allow')
    if (chosenFrom !== undefined) {
      for (const asked of closed) expect(verdict(load(chosen(text)), asked, null, chosenFrom)).toBe('allow')
    }
  })
})
