import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from './folder.ts'
import { type Ran, runIn } from './io.ts'

/** What a chapter on moving in shows: the old program's file, and what becomes of it. */
export interface SetUp {
  readonly chapter: string
  /** What the old file is called. */
  readonly file: string
  readonly old: string
  /** What import is given: the old file, or what its own program makes of it. */
  readonly given: string
  /** The new file, without its comments. */
  readonly made: string
  /** What `sallyport import` is given beside the file. */
  readonly options: readonly string[]
  /** What `sallyport import` says of it. */
  importAs(): Promise<Ran>
}

/** Both set-ups that Pocket ID's documentation recommends, as the chapters have them. */
export const SET_UPS: readonly SetUp[] = [
  setUp('moving-in-from-oauth2-proxy', 'oauth2-proxy.cfg', 'cfg', ['--host', 'status.example.com'], old => old),
  setUp('moving-in-from-caddy-security', 'caddy.json', 'caddyfile', [], () => madeByCaddy()),
]

/** The one of a chapter. */
export function setUpFor(chapter: string): SetUp {
  const found = SET_UPS.find(one => one.chapter === chapter)
  if (found === undefined) throw new TypeError(`no set-up in ${chapter}`)
  return found
}

/** All blocks of a kind in a chapter. */
export function blocksOf(chapter: string, kind: string): readonly string[] {
  const text = readFileSync(join(import.meta.dir, '../../docs', `${chapter}.md`), 'utf8')
  return [...text.matchAll(new RegExp(`\`\`\`${kind}\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, block = '']) => block)
}

/** What Caddy made of the chapter's Caddyfile, without its line for `http_port`, as it was recorded. */
function madeByCaddy(): string {
  const path = join(import.meta.dir, '../recorded/caddy-security/seed.adapted.json')
  return readFileSync(path, 'utf8').replaceAll('http://localhost', 'https://id.example.com')
}

function setUp(
  chapter: string,
  file: string,
  fence: string,
  options: readonly string[],
  textOf: (old: string) => string,
): SetUp {
  const [old = ''] = blocksOf(chapter, fence)
  const [made = ''] = blocksOf(chapter, 'toml')
  const given = textOf(old)
  return {
    chapter,
    file,
    old,
    given,
    made,
    options,
    async importAs() {
      using folder = temporaryFolder()
      writeFileSync(join(folder.path, file), given)
      return await runIn(folder.path, io => runImport([file, ...options], io))
    },
  }
}
