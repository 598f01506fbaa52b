import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ADVISORIES } from './advisories.ts'

const ROOT = join(import.meta.dir, '..')
const ID = /^(?:CVE-(?:19|20)[0-9]{2}-[0-9]{4,7}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3})$/

/** Whether a file has a test, or a group of tests, of exactly this title. */
function hasTitle(source: string, title: string): boolean {
  return ["'", '"', '`'].some(quote => {
    const [first = '', ...others] = source.split(`${quote}${title}${quote}`)
    // What is before it begins a test: `test(`, or what ends a table of cases.
    return others.length > 0 && [first, ...others.slice(0, -1)].some(before => OPENED.test(before.slice(-300)))
  })
}

const OPENED = /(?:(?:^|\s)(?:test|describe)\(|(?:^|\s)(?:test|describe)\.each\([^\n]*\)\(|\n *\]\)\()\s*$/

describe('the list of advisories', () => {
  test.each(ADVISORIES.map(one => [one.id, one] as const))(
    '%s has a test of its name in the file of its name',
    (_, one) => {
      const path = join(ROOT, `${one.file}.test.ts`)
      expect([path, existsSync(path)]).toEqual([path, true])
      expect([one.test, hasTitle(readFileSync(path, 'utf8'), one.test)]).toEqual([one.test, true])
    },
  )

  test('names each once, as it is published, and says what it was', () => {
    const ids = ADVISORIES.flatMap(({ id, alias }) => (alias === undefined ? [id] : [id, alias]))
    expect(ids.filter(id => !ID.test(id))).toEqual([])
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
    expect(ADVISORIES.filter(({ what }) => what.length < 10)).toEqual([])
  })

  test('has those of every gate that people come from', () => {
    const programs = new Set(ADVISORIES.map(({ program }) => program))
    for (const program of [
      'oauth2-proxy',
      'caddy-security',
      'Pomerium',
      'Authelia',
      'Traefik',
      'authentik',
      'mod_auth_openidc',
      'Tinyauth',
    ]) {
      expect([program, programs.has(program)]).toEqual([program, true])
    }
  })

  test('a title that is only spoken of, or has changed, is none', () => {
    const source = "// 'is spoken of'\ntest('is there', () => {})\ntest.each(CASES)(\n  'is there too',\n  () => {})"
    expect(['is there', 'is there too', 'is spoken of', 'is ther'].map(title => hasTitle(source, title))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})
