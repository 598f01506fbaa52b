import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkConfig } from '../../../src/config/check.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { imported } from '../imported.ts'

const SITE = 'app.example.com {\n  reverse_proxy app:3000\n}\n'

/** The new file with what it has in comments for HTTPS. */
const uncommented = (routes: string) => routes.replace(/^# (\[tls\].*\n)# (listen .*\n)# (acme .*)$/m, '\n$1$2$3')

test.each([
  ['', '0.0.0.0:443'],
  ['{\n  https_port 8443\n}\n', '0.0.0.0:8443'],
  ['{\n  https_port {$PORT}\n}\n', '0.0.0.0:443'],
])('certificates that Caddy made are three lines to uncomment: %j', async (options, listen) => {
  const { routes, notes } = await imported(options + SITE)
  expect(notes.filter(note => note.startsWith('decide'))).toContainEqual(expect.stringContaining('uncomment [tls]'))
  expect(notes.some(note => note.includes('443 stands there'))).toBe(options.includes('$PORT'))
  const file = uncommented(routes)
  expect(file).not.toBe(routes)
  using folder = temporaryFolder()
  writeFileSync(join(folder.path, 'routes.toml'), file)
  const result = checkConfig(file, {
    file: join(folder.path, 'routes.toml'),
    env: () => undefined,
    readText: () => '',
    readBytes: () => Buffer.alloc(0),
  })
  if (!result.ok) throw new Error(result.diagnostics.map(({ message }) => message).join())
  expect(file).toContain(`listen = ["${listen}"]`)
})

test('a Caddyfile that served plain HTTP alone has none of them', async () => {
  const { routes, notes } = await imported(`http://${SITE}`)
  expect(routes).not.toContain('[tls]')
  expect(notes.join()).not.toContain('uncomment')
})
