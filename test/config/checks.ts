/** How the tests of this room hold the checker: TOML with the expected carets drawn into it. */

import { expect } from 'bun:test'
import { type CheckOptions, type CheckResult, checkConfig } from '../../src/config/check.ts'
import type { Config } from '../../src/config/resolve/config.ts'

const PROVIDER = `
[providers.id]
issuer = "https://id.example.com"
client_id = "gate"
`
const PORTAL = `
[portals.home]
url = "https://auth.example.com"
providers = ["id"]
members = "authenticated"
[portals.home.roles]
user = { any = true }
`
const ROUTE = `
[[routes]]
host = "app.example.com"
upstream = "http://app:3000"
portal = "home"
allow = ["user"]
`

/** The tables that a fragment leaves out, put behind it, so that a case shows only what it is about. */
export function complete(fragment: string): string {
  const lacks = (table: RegExp) => !table.test(fragment)
  return [
    fragment,
    lacks(/^\[providers[\].]/m) ? PROVIDER : '',
    lacks(/^\[portals[\].]/m) ? PORTAL : '',
    lacks(/^\[\[routes\]\]|^routes/m) ? ROUTE : '',
  ].join('\n')
}

export interface World {
  readonly env?: Readonly<Record<string, string>>
  /** Bytes for what is no text. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>
  /** Paths of folders. */
  readonly folders?: readonly string[]
  /** Paths of files and folders that may not be read. */
  readonly closed?: readonly string[]
  /** Paths of folders, with the names of what is in each, or the code of the error that listing it throws. */
  readonly listed?: Readonly<Record<string, readonly string[] | string>>
  readonly now?: () => number
}

/** Checks a text as the file /etc/sallyport/routes.toml, in a world of the test's own making. */
export function check(
  text: string,
  { env = {}, files = {}, folders = ['/srv'], closed = [], listed = {}, now }: World = {},
): CheckResult {
  const contentOf = (path: string) => {
    if (closed.includes(path)) throw Object.assign(new Error('closed'), { code: 'EACCES' })
    // As the system says it of what is no folder, whoever asks.
    if (path.endsWith('/.') && path.slice(0, -2) in files) throw Object.assign(new Error('a file'), { code: 'ENOTDIR' })
    if (folders.includes(path)) throw Object.assign(new Error('a folder'), { code: 'EISDIR' })
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return content
  }
  const options: CheckOptions = {
    file: '/etc/sallyport/routes.toml',
    shownAs: 'routes.toml',
    env: name => env[name],
    readText: path => Buffer.from(contentOf(path)).toString('utf8'),
    readBytes: path => Buffer.from(contentOf(path)),
    listFolder(path) {
      const names = listed[path]
      if (typeof names === 'object') return names
      throw Object.assign(new Error('no list'), { code: names ?? 'ENOENT' })
    },
    ...(now === undefined ? {} : { now }),
  }
  const result = checkConfig(text, options)
  // A long file is checked by a thread: what is said of any file comes out of it as it was.
  expect(structuredClone(result)).toEqual(result)
  return result
}

/** The Config of a fragment that must be good. */
export function accepts(fragment: string, world?: World): Config {
  const result = check(complete(fragment), world)
  if (!result.ok) throw new Error(`refused: ${result.diagnostics.map(found => found.message).join('; ')}`)
  return result.config
}

/**
 * Expects exactly one diagnostic with this code, under what the fragment marks as «…»; an unmarked fragment expects it at
 * the file's first character.
 */
export function expectOne(code: string, fragment: string, world?: World): void {
  const { text, line, column, length } = unmark(fragment)
  const result = check(complete(text), world)
  const found = result.ok ? result.warnings : result.diagnostics
  const places = found.map(({ code, line, column, length }) => ({ code, line, column, length }))
  expect(places).toEqual([{ code: code as (typeof places)[0]['code'], line, column, length }])
}

function unmark(fragment: string): { text: string; line: number; column: number; length: number } {
  const start = fragment.indexOf('«')
  if (start === -1) return { text: fragment, line: 1, column: 1, length: 1 }
  const end = fragment.indexOf('»')
  const before = fragment.slice(0, start)
  return {
    text: fragment.replace('«', '').replace('»', ''),
    line: before.split('\n').length,
    column: [...(before.split('\n').at(-1) ?? '')].length + 1,
    length: [...fragment.slice(start + 1, end)].length,
  }
}
