import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, PORTAL, startGate } from '../../kit/gate.ts'
import { ATTACK_RUNS } from '../../kit/wire/odd-targets.ts'
import { rawRequest } from '../../kit/wire/through.ts'
import { sendRaw } from '../../kit/wire/wire.ts'

const folder = temporaryFolder()
let gate: Gate

beforeAll(async () => {
  const at = (...parts: string[]) => join(folder.path, ...parts)
  for (const name of ['site', 'site/sub', 'site/.git', 'site/sub/..data', 'site-private', 'outside'])
    mkdirSync(at(name), { recursive: true })
  for (const [name, text] of [
    ['site/index.html', 'HOME'],
    ['site/sub/index.html', 'SUB'],
    ['site/sub/plain.txt', 'PLAIN'],
    ['site/50%25.txt', 'PERCENT'],
    ['site/.env', 'SECRET'],
    ['site/.git/config', 'SECRET'],
    ['site/sub/..data/x', 'SECRET'],
    ['site-private/x.txt', 'SECRET'],
    ['outside/x.txt', 'SECRET'],
    ['secret.txt', 'SECRET'],
  ] as const)
    writeFileSync(at(name), text)
  for (const [from, to] of [
    ['site/out', '../outside'],
    ['site/file', '../secret.txt'],
    ['site/absolute', at('secret.txt')],
    ['site/chain', 'hop'],
    ['site/hop', 'sub/../../outside/x.txt'],
    ['site/dot', '.env'],
    ['site/round', 'round'],
    ['site/device', '/dev/zero'],
    ['site/self', '.'],
    ['site/process', '/proc/self/environ'],
  ] as const)
    symlinkSync(to, at(from))
  const route = (host: string, more: string) => `[[routes]]\nhost = "${host}.example"\n${more}\n`
  gate = await startGate(
    [
      PORTAL,
      route('files', `files = "${at('site')}"\nallow = "public"`),
      route(
        'below',
        `path = "/a/b"\nstrip_prefix = "/a"\nadd_prefix = "/sub"\nfiles = "${at('site')}"\nallow = "public"`,
      ),
      route('moved', 'redirect = "https://new.example{path}{query}"\nallow = "public"'),
      route(
        'moved',
        'path = "/old"\nstrip_prefix = "/old"\nredirect = "https://new.example{path}{query}"\nallow = "public"',
      ),
      route('moved', 'path = "/here"\nstrip_prefix = "/here"\nredirect = "/there{path}{query}"\nallow = "public"'),
      route('moved', 'path = "/host"\nredirect = "https://{host}{path}"\nallow = "public"'),
      route(
        'moved',
        'path = "/said"\nrespond = { body = "x" }\nallow = "public"\nresponse_headers = { set = { "X-Path" = "{path} {query} {host} {method}" }, append = { "X-More" = "{path}" } }',
      ),
      route('*.tenants', 'redirect = "https://{host}/x{path}"\nallow = "public"'),
    ].join('\n'),
  )
})

afterAll(async () => {
  await gate[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})

async function ask(host: string, target: string, fields: readonly string[] = []) {
  return sendRaw(gate.port, Buffer.from(rawRequest(`GET ${target}`, `${host}.example`, fields), 'latin1'))
}

describe('files', () => {
  const up = [
    '..',
    '%2e%2e',
    '.%2e',
    '%2E.',
    '..%2f',
    '..%5c',
    '..\\',
    '%2e%2e%2f',
    '..;',
    '..%00',
    '..%2500',
    '%252e%252e',
    '..%c0%af',
    '..%u2215',
    '...',
    '....//',
  ]

  test('nothing outside of the folder, and nothing hidden in it, is told by any spelling', async () => {
    const piece = fc.constantFrom(
      ...up,
      'out',
      'x.txt',
      'file',
      'absolute',
      'chain',
      'hop',
      'dot',
      'round',
      'process',
      'self',
      'sub',
      '.env',
      '%2eenv',
      '.git',
      'config',
      '..data',
      '-private',
      'site-private',
      'secret.txt',
      'outside',
      'site',
      '',
      'index.html',
      '~root',
      'C:',
      'NUL',
      'plain.txt::$DATA',
      'etc',
      'passwd',
    )
    const separator = fc.constantFrom('/', '/', '/', '//', '%2f', '%5c', '\\', ';', '%3b/', '%00', '?', '#')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('files', 'below'),
        fc.array(fc.tuple(separator, piece), { minLength: 1, maxLength: 5 }),
        async (host, parts) => {
          const start = host === 'below' ? '/a/b' : ''
          const target = `${start}${parts.map(pair => pair.join('')).join('')}`
          const response = await ask(host, target.startsWith('/') ? target : `/${target}`)
          const text = response.raw.toString('latin1')
          expect([target, /SECRET|root:|BUN_CONFIG|PATH=/.test(text)]).toEqual([target, false])
          const location = response.field('location')
          if (location !== null) expect(new URL(location, 'http://files.example').origin).toBe('http://files.example')
        },
      ),
      { numRuns: ATTACK_RUNS },
    )
  }, 600_000)

  test.each([
    '/device',
    '/round',
    '/process',
    '/absolute',
    '/self/.env',
    '/self/self/.git/config',
    '/out/x.txt',
    '/sub/..data/x',
    '/../secret.txt',
    '/sub/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/sub/..%5c..%5csecret.txt',
    '/%252e%252e/secret.txt',
    '/out%2fx.txt',
    '/out%2f..%2fsecret.txt',
    '/sub//index.html',
    '/back%5cslash',
    '/%00',
    '/%ff',
    '/%2eenv',
    '/.git/',
  ])('%s, which leads elsewhere or is hidden, is not found, and nothing leads on from it', async path => {
    const response = await ask('files', path)
    expect([path, [400, 404].includes(response.status)]).toEqual([path, true])
    expect(response.raw.toString('latin1')).not.toContain('SECRET')
    expect(response.field('location')).toBeNull()
  })

  test('what is there comes, decoded once and no more', async () => {
    expect((await ask('files', '/50%2525.txt')).body.toString()).toBe('PERCENT')
    expect((await ask('files', '/50%25.txt')).status).toBe(404)
    expect((await ask('files', '/self/sub/plain.txt')).body.toString()).toBe('PLAIN')
  })
})

describe('an answer with words of the request in it', () => {
  const odd = fc.array(
    fc.constantFrom(
      '/',
      '//',
      '\\',
      '%0d%0a',
      '%0a',
      '\t',
      '@',
      ':',
      '.',
      '..',
      'evil.example',
      '%2f',
      '%5c',
      '#',
      '?',
      '"',
      '<',
      '>',
      '\xe9',
      '%E2%80%A8',
      '%00',
      ';',
      'x',
      'javascript:',
      '{host}',
      '$1',
    ),
    { maxLength: 7 },
  )

  test('redirects to where the file says, whatever the path and the query are', async () => {
    const places = {
      moved: ['https://new.example', 'https://moved.example', 'http://moved.example'],
      'a.tenants': ['https://a.tenants.example'],
    }
    const host = fc.constantFrom('moved' as const, 'a.tenants' as const)
    const start = fc.constantFrom('/', '/old', '/old/', '/here', '/here/', '/host/')
    await fc.assert(
      fc.asyncProperty(host, start, odd, odd, async (host, start, path, query) => {
        const target = start + path.join('') + (query.length === 0 ? '' : `?${query.join('')}`)
        const response = await ask(host, target)
        const locations = response.fields.filter(([name]) => name.toLowerCase() === 'location')
        if (response.status === 0 || response.status >= 400) return
        expect(locations.length).toBe(1)
        const [, location = ''] = locations[0] ?? []
        expect(location).toMatch(/^[\x21-\x7e]+$/)
        expect(places[host]).toContain(new URL(location, `http://${host}.example${start}`).origin)
      }),
      { numRuns: ATTACK_RUNS },
    )
  }, 600_000)

  test('has no line that the file did not say', async () => {
    await fc.assert(
      fc.asyncProperty(odd, odd, async (path, query) => {
        const response = await ask('moved', `/said/${path.join('')}?${query.join('')}`)
        if (response.status !== 200) return
        const names = response.fields.map(([name]) => name.toLowerCase())
        expect(names.toSorted()).toEqual(['content-length', 'content-type', 'date', 'x-more', 'x-path'])
      }),
      { numRuns: ATTACK_RUNS },
    )
  }, 600_000)
})
