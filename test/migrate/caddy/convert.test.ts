import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { imported, section } from '../imported.ts'

const FOLDER = join(import.meta.dir, '../../recorded/caddy-security')

function adapted(name: string): string {
  return readFileSync(join(FOLDER, `${name}.adapted.json`), 'utf8').replaceAll('{{files}}', '/srv/files')
}

describe('what Caddy makes of its file', () => {
  const names = readdirSync(FOLDER).flatMap(name => /^(.+)\.adapted\.json$/.exec(name)?.[1] ?? [])

  test.each(names)('%s becomes a file that check takes', async name => {
    const { mistakes, everything } = await imported(adapted(name))
    expect(mistakes).toEqual([])
    expect(everything).not.toMatch(/s{40}|01ee2688|11ee2688|ghsecret|Password123|\$2a\$/)
  })

  test('a site with a policy', async () => {
    const { routes, code } = await imported(adapted('seed-live'))
    expect(code).toBe(0)
    expect(section(routes, '[[routes]]').filter(Boolean)).toEqual([
      'host = "status.example.test"',
      'upstream = "http://127.0.0.1:9710"',
      'portal = "myportal"',
      'allow = ["user"]',
      'deny = [{ not = { require_email = true } }]',
      'headers = "caddy-security"',
    ])
  })
})
