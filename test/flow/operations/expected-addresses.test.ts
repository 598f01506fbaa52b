import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { checkConfig } from '../../../src/config/check.ts'
import { holdExpectations } from '../../../src/server/preview/expect.ts'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { providerTable, SILENT } from '../../kit/toml.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const route = (host: string, path: string, more: string) => `[[routes]]\nhost = "${host}"\npath = "${path}"\n${more}\n`
const OPEN = 'respond = { status = 200 }\nallow = "public"'
const CLOSED = 'respond = { status = 200 }\nportal = "home"\nallow = ["user"]'
const FILE = `${providerTable(SILENT)}
[portals.home]
url = "http://auth.test"
insecure_cookies = true
providers = ["id"]
roles.user = { any = true }
${route('app.test', '/open', OPEN)}
${route('app.test', '/shut', CLOSED)}
${route('whole.test', '/', OPEN)}
${route('whole.test', '/shut', CLOSED)}
${route('asked.test', '/', 'verify = true\nallow = "public"')}
${route('asked.test', '/shut', 'verify = true\nportal = "home"\nallow = ["user"]')}`

const keep = untilTheEnd()
const gate = keep(
  await startGate(FILE, {
    server: 'trusted_proxies = "127.0.0.1"\nverify = "127.0.0.1:0"',
  }),
)

/** As UTF-8, of which the request is written byte by byte. */
const onTheWire = (text: string) => Buffer.from(text).toString('latin1')

const VERDICTS: Readonly<Record<number, string>> = {
  200: 'allow',
  204: 'allow',
  401: 'sign-in',
  404: 'no-route',
  400: 'refused',
  403: 'refused',
}

/** What `[[expect]]` says that an address comes to. */
function expected(host: string, path: string): string {
  const address = JSON.stringify(`http://${host}${path}`)
  const text = `${readFileSync(gate.configPath, 'utf8')}\n[[expect]]\naddress = ${address}\nverdict = "step-up"\n`
  const sources = { readText: () => '', readBytes: () => new Uint8Array(), env: () => undefined }
  const result = holdExpectations(checkConfig(text, { file: '/etc/routes.toml', ...sources }))
  const said = result.ok ? '' : result.diagnostics.map(({ message }) => message).join()
  return /gets "([\w-]+)"/.exec(said)?.[1] ?? said
}

const PATHS = [
  '/open',
  '/shut',
  '/open/../shut',
  '/shut/../open',
  '/open/%2e%2e/shut',
  '/shut/.%2E/open',
  '/open/./x',
  '/x/..',
  '//open',
  '///shut',
  '/open//x',
  '/open%2fx',
  '/open/..%2fshut',
  '/open%5c..%5cshut',
  '/open\\x',
  '/\\shut',
  '/open\\..\\shut',
  '/open;x',
  '/open;/../shut',
  '/open/..;/shut',
  '/%6fpen',
  '/%73hut',
  '/OPEN',
  '/SHUT',
  '/sh%C3%BCt',
  '/open/ä',
  '/open?x=../shut',
  '/open/x?y=%ff',
  '/open%',
  '/open%zz',
  '/open%00',
  '/open/%252e%252e/shut',
  '/open^{}`',
  '/.sallyport',
  '/%2esallyport',
  '/',
]

describe('an expectation is judged as the gate judges what a client sends that resolves nothing', () => {
  test.each(['app.test', 'whole.test'])('at %s', async host => {
    for (const path of PATHS) {
      const { status } = await sendRaw(
        gate.port,
        rawRequest(`GET ${onTheWire(path)}`, host, ['Accept: application/json']),
      )
      // Our own pages are told as let in, whatever they answer.
      if (/sallyport/.test(path)) continue
      expect([path, expected(host, path)]).toEqual([path, VERDICTS[status] ?? `${status}`])
    }
  })

  test('for a proxy that asks, which states the path as it came', async () => {
    for (const path of PATHS) {
      if (/[ä\\]|sallyport/.test(path)) continue
      const fields = [
        'X-Forwarded-Method: GET',
        `X-Forwarded-Uri: ${path}`,
        'X-Forwarded-Host: asked.test',
        'X-Forwarded-Proto: http',
        'Accept: application/json',
      ]
      const { status } = await sendRaw(gate.verifyPort, rawRequest('GET /.sallyport/verify', 'asked.test', fields))
      expect([path, expected('asked.test', path)]).toEqual([path, VERDICTS[status] ?? `${status}`])
    }
  })

  test.each(['app.test.', 'APP.test', '%61pp.test', 'app.test:8080', 'app..test', 'none.test', '0x7f.1'])(
    'by the Host field as it is sent: %s',
    async host => {
      const { status } = await sendRaw(gate.port, rawRequest('GET /open', host, ['Accept: application/json']))
      expect(expected(host, '/open')).toBe(VERDICTS[status] ?? `${status}`)
    },
  )

  test.each(['/open#x', '/op en', '/op\ten', '/open\n'])('what no client can ask for is a mistake: %j', path => {
    expect(expected('app.test', path)).toMatch(/is not an address|has a fragment|control character/)
  })
})
