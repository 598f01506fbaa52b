import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/import/run.ts'
import { temporaryFolder } from './folder.ts'
import { type Ran, runIn } from './io.ts'

/** What a chapter on moving in shows: the old program's file, and what becomes of it. */
export interface SetUp {
  readonly chapter: string
  /** What the old file is called. */
  readonly file: string
  readonly old: string
  /** The new file, without its comments. */
  readonly made: string
  /** What `sallyport import` says of it, with the options that the chapter names. */
  importAs(): Promise<Ran>
}

/** The text of a chapter. */
export function chapterOf(name: string): string {
  return readFileSync(join(import.meta.dir, '../../docs', `${name}.md`), 'utf8')
}

/** Both set-ups that Pocket ID's documentation recommends, as the chapters have them. */
export const SET_UPS: readonly SetUp[] = [
  setUp('moving-in-from-oauth2-proxy', 'oauth2-proxy.cfg', 'cfg', ['--host', 'status.example.com']),
  setUp('moving-in-from-caddy-security', 'Caddyfile', 'caddyfile', []),
]

function setUp(chapter: string, file: string, fence: string, options: readonly string[]): SetUp {
  const text = chapterOf(chapter)
  const block = (kind: string) => new RegExp(`\`\`\`${kind}\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? ''
  const old = block(fence)
  return {
    chapter,
    file,
    old,
    made: block('toml'),
    async importAs() {
      using folder = temporaryFolder()
      writeFileSync(join(folder.path, file), old)
      return await runIn(folder.path, io => runImport([file, ...options], io))
    },
  }
}
