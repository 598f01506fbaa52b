import { expect, test } from 'bun:test'
import { checkConfig } from '../../../src/config/check.ts'

test('what a field is set to is not repeated where it is wrong: it is hidden in the lines of the file, too', () => {
  for (const value of ['Bearer s3cret{', 's3cret-\u00e9']) {
    const text = `[[routes]]
host = "a.example.com"
upstream = "http://a:1"
allow = "public"
request_headers = { set = { Authorization = "${value}" } }
`
    const checked = checkConfig(text, {
      file: '/x/routes.toml',
      shownAs: 'routes.toml',
      env: () => undefined,
      readText: () => '',
      readBytes: () => Buffer.alloc(0),
    })
    const found = checked.ok ? [] : checked.diagnostics
    expect(found.map(({ code }) => code)).toContain('header.template')
    expect(JSON.stringify(found)).not.toContain('s3cret')
  }
})
