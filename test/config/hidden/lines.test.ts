import { describe, expect, test } from 'bun:test'
import { hintToWrite } from '../../../src/config/hidden/lines.ts'
import { renderDiagnostics } from '../../../src/config/render-diagnostics.ts'
import { check, complete } from '../checks.ts'

/** All that is told of a file with mistakes: message and hint, and the frame that shows the line. */
function told(text: string): string {
  const { diagnostics, texts } = refused(text)
  return renderDiagnostics(diagnostics, texts, { colour: false })
}

function refused(text: string) {
  const result = check(text)
  if (result.ok) throw new Error('the file was taken')
  return result
}

describe('what is told of a mistake has no secret in it', () => {
  const secrets = [
    ['[providers.id]', 'client_secret'],
    ['[providers.id]', 'client_secert'],
    ['[sessions]', 'key'],
    ['[portals.home]', 'requests.webhook'],
    ['[telemetry]', 'headers.authorization'],
    ['[telemetry]', 'headers.name'],
    ['[[routes]]', 'request_headers.set.host'],
    ['[routes.request_headers.set]', 'name'],
    ['[tls.acme.dns]', 'env.TOKEN'],
    ['[upstreams.app.basic_auth]', 'password'],
    ['[unknown.table', 'value'],
  ] as const
  const breaks = [
    (key: string) => `${key} = "planted`,
    (key: string) => `${key} = planted`,
    (key: string) => `${key} = 'planted"`,
    (key: string) => `${key}: planted-word`,
    (key: string) => `${key}: "planted"`,
    (key: string) => `${key} => "planted"`,
    (key: string) => `${key} == "planted"`,
    (key: string) => `// ${key} = "planted"`,
    (key: string) => `// ${key}: planted`,
    (key: string) => `${key} = """\n//planted\n""`,
    (key: string) => `${key}\n//planted`,
    (key: string) => `${key} = "planted";`,
    (key: string) => `${key} = "planted" // a note`,
    (key: string) => `${key} = ["planted"`,
    (key: string) => `${key} = [planted, 1]`,
    (key: string) => `${key} = { a = "planted" }`,
    (key: string) => `${key} = “planted”`,
    (key: string) => `${key} = "plan\\qted"`,
    (key: string) => `x = 1 y = 2 ${key} = "planted"`,
    (key: string) => `issuer = "https://a" ${key} = "planted"`,
  ]
  test.each(secrets)('%s %s, however it is broken', (table, key) => {
    for (const broken of breaks) {
      const text = `${table}\n${broken(key)}\n`
      expect([text, told(text).match(/plan\W*q?ted/)]).toEqual([text, null])
    }
  })

  test.each([
    ['host: "app.example.com"', 'host: "app.example.com"'],
    ['host => "app.example.com"', 'host => "app.example.com"'],
    ['// the application', '// the application'],
    ['host: "app.example.com" // the application', 'host: "app.example.com" …'],
  ])('while of %s, which is none, nothing is hidden that is known', (line, shown) => {
    expect(told(`[[routes]]\n${line}\n`)).toContain(` | ${shown}\n`)
  })

  test.each([
    'client_id = "app"\nclient_secret: planted',
    'client_id = "app"\nclient_secret planted',
    'client_id = "app [x]"\nclient_secret: "planted"',
    'client_id = "app" # """\nclient_secret: "planted"',
    'client_id =\nclient_secret: planted',
    'scopes = ["openid"]\nclient_secret: planted',
    'scopes = ["openid"\nclient_secret: planted',
    'scopes = ["openid",\n"client_secret": "planted",',
    'scopes = [\n  "openid" client_secret planted',
    'scopes = ["openid" client_secret: "planted"]',
    'scopes = ["openid", client_secret:planted]',
    'scopes = ["openid, client_secret: "planted"]',
    'scopes = ["openid, client_secret: planted"]',
    'client_secret "planted"',
    'client_secret:"planted"',
    'client_id = "x"; client_secret "planted"',
    'client_id = "x" client_secret: "planted"',
    'client_id = "x" client_secret planted',
    'client_id = "x" "client_secret": "planted"',
    'client_id = "x", planted',
    'client_id = "x\nclient_secret: planted',
    'client_secret = [\n["planted"]\n',
    'client_secret = {\nclient_id = "planted"\n',
    'label = """x\nclient_secret: planted\n',
    'label = [\n{ "planted" }',
    '[providers.id] # client_secret = planted\nno = [',
  ])('nor of a line that is no `key = value`, whatever stands before it: %p', text => {
    for (const line of text.split('\n').keys()) {
      const shown = hintToWrite(`[providers.id]\n${text}\nno = [`, line + 2, text.split('\n')[line] ?? '')
      expect(shown).not.toContain('planted')
    }
    expect(told(`[providers.id]\n${text}\nno = [`)).not.toContain('planted')
  })

  test.each([
    ['[providers.id]', 'metadata_url = "id.example.com/?planted"'],
    ['[providers.id]', 'metadata_url = "https://id.example.com/m?planted#planted"'],
    ['[providers.id]', 'issuer = "https://id.example.com?planted"'],
    ['[[routes]]', 'upstream = "http://app:3000/?token=planted"'],
    ['[[routes]]', 'upstream = "ftp://app:3000/?token=planted"'],
    ['[[routes]]', 'upstream = "http://user:planted@app:3000"'],
    ['[sessions]', 'store = "redsi://:planted@h"'],
    ['[sessions]', 'store = ":planted@h:6379"'],
    ['[sessions]', 'store = "redis:/:planted@h"'],
    ['[[routes]]', 'upstream = "admin:planted@10.0.0.1:80"'],
    ['[[routes]]', 'upstream = "http:/u:planted@h"'],
    ['[[routes]]', 'upstream = "http//u:planted@h"'],
    ['[[routes]]', 'upstream = "//u:planted@h"'],
    ['[[routes]]', String.raw`upstream = 'http:\\u:planted@h'`],
    ['[providers.id]', 'issuer = "https//u:planted@h"'],
    ['[telemetry]', 'endpoint = "u:planted@h:4318"'],
    ['[server]', 'admin = "u:planted@h:80"'],
    ['[telemetry]', 'endpoint = "http://127.0.0.1/?planted"'],
    ['[[expect]]', 'address = "ftp://app.example.com/?planted"'],
  ])('nor what an address has behind its question mark, or before its @: %s %s', (table, line) => {
    const text = complete(`${table}\n${line}\n`)
    const { diagnostics } = refused(text)
    const own = text.split('\n').indexOf(line) + 1
    expect(diagnostics.filter(({ line: at }) => at === own).length).toBeGreaterThan(0)
    expect(told(text)).not.toContain('planted')
  })

  test('and the caret stays where the mistake is: what is hidden before it takes one column', () => {
    const text = complete(
      '[upstreams.app]\nbasic_auth = { user = "a", password = "planted planted planted", oops = 1 }\n',
    )
    expect(told(text)).toContain(`basic_auth = { user = "a", password = …, oops = … }
  |                                          ^^^^`)
  })

  test('of a long file either, where a part is looked at alone', () => {
    const route = '[[routes]]\nhost = "h"\nupstream = "http://a"\nallow = "public"\n'
    const text = `${route.repeat(1200)}[[routes]]\nhost = "a"\nrequest_headers.set.Host = "planted"\nupstream = "http://u?planted"\n`
    const { diagnostics, texts } = refused(text)
    const found = diagnostics.filter(({ line }) => line > 4800)
    expect(found.length).toBeGreaterThan(1)
    const shown = renderDiagnostics(found, texts, { colour: false })
    expect(shown).not.toContain('planted')
    expect(shown).toContain('upstream = "http://u?…"')
  })

  test('but a hint shows its own example, with the name of a secret', () =>
    expect(told(complete('[sessions]\nstore = "redis:/:x@h"\n'))).toContain(
      '"rediss://:${REDIS_PASSWORD}@valkey.example.com"',
    ))

  test('but what no key calls a secret is shown, so that it can be mended', () => {
    expect(told('[[routes]]\nupstream = http://localhost:3000\n')).toContain('write upstream = "http://localhost:3000"')
    expect(told('[server]\nlisten = 0.0.0.0:8080\n')).toContain('2 | listen = 0.0.0.0:8080')
    expect(told('[providers.id]\nclient_secret = planted word\n')).toContain('write client_secret = "…"')
  })
})
