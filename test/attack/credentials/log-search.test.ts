/** The search of the whole run's logs, which test/kit/log/at-the-end.ts makes when everything else is over. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { createPlanted, plantedSecrets, plantSecretsOf } from '../../kit/log/planted.ts'
import { searchLines } from '../../kit/log/search.ts'

const ROOT = resolve(import.meta.dir, '../../..')
const TOKEN = 'x'.repeat(43)

/** What is found in one line. */
function search(line: string, ...planted: string[]): readonly string[] {
  const secrets = createPlanted()
  for (const secret of planted) secrets.add(secret, 'planted')
  return searchLines([{ place: 'some.test.ts:1', line }], secrets)
}

describe('a line is found, and shown without it,', () => {
  const lines: [line: string, shown: string][] = [
    [`{"id":"${TOKEN}"}`, '{"id":"<planted: 43 characters>"}'],
    [`a${TOKEN}b`, 'a<planted: 43 characters>b'],
    [`sp_${TOKEN}`, '<an API token or a guest link: 46 characters>'],
    [`a ${TOKEN} and hunter22`, 'a <planted: 43 characters> and <planted: 8 characters>'],
    ['got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln', 'got <a signed or sealed token: 41 characters>'],
    ['Authorization: Bearer access-token-1', 'Authorization: <credentials: 21 characters>'],
    ['Basic YWRhOnNlY3JldA==', '<credentials: 22 characters>'],
    ['cookie: sallyport-owner=abcdefgh; a=b', 'cookie: <a cookie of ours: 24 characters>; a=b'],
    ['http://app.example/a?token=SECRET&b=c failed', 'http://app.example/a?<a query: 16 characters> failed'],
    ['{"path":"/a?code=1"}', '{"path":"/a?<a query: 6 characters>"}'],
    ['{"search":"?%74oken=x&y"}', '{"search":"?<a query: 11 characters>"}'],
    ['-----BEGIN EC PRIVATE KEY-----', '<a private key: 30 characters>'],
  ]
  test.each(lines)('%s', (line, shown) => {
    expect(search(line, TOKEN, 'hunter22')).toEqual([`some.test.ts:1: ${shown}`])
  })
})

test.each([
  '{"path":"/a","status":200}',
  'is it? yes',
  'Basic authentication',
  `y${TOKEN.slice(1)}`,
  'sallyport-a1b2-0',
])('nothing is found in %s', line => {
  expect(search(line, TOKEN)).toEqual([])
})

test('what a file says in the open is planted', () => {
  plantSecretsOf(`
client_secret = "in-the-open-1f9c"
[sessions]
key = '${'k1'.repeat(22)}'
store = "redis://me:store-password@127.0.0.1/0"
certificates = [{ cert = "app.pem", key = "app-long.key" }]
[portals.home.users]
ada = "$argon2id$v=19$m=1,t=1,p=1$salt$hash"
[providers.other]
client_secret = "\${ENV_SECRET}"
`)
  for (const secret of [
    'in-the-open-1f9c',
    'k1'.repeat(22),
    'store-password',
    '$argon2id$v=19$m=1,t=1,p=1$salt$hash',
  ]) {
    expect([secret, plantedSecrets().has(secret)]).toEqual([secret, true])
  }
  for (const word of ['app-long.key', '${ENV_SECRET}']) expect(plantedSecrets().has(word)).toBe(false)
})

test('a run fails at its end where a gate wrote a planted secret at debug, with the place of the gate and not the secret', async () => {
  using folder = temporaryFolder()
  const kit = join(ROOT, 'test/kit')
  const preload = JSON.stringify([join(kit, 'log/at-the-end.ts')])
  writeFileSync(join(folder.path, 'bunfig.toml'), `[test]\npreload = ${preload}\n`)
  const run = async (fact: string) => {
    writeFileSync(
      join(folder.path, 'leaky.test.ts'),
      `import { expect, test } from 'bun:test'
      import { PORTAL, startGate } from '${kit}/gate.ts'
      import { recordedLog } from '${kit}/log/record.ts'
      test('passes', async () => {
        const route = '[[routes]]\\nhost = "app.example"\\nrespond = { body = "in" }\\nportal = "home"\\nallow = ["user"]\\n'
        await using gate = await startGate(PORTAL + route)
        const { cookie } = await gate.signIn('app.example')
        const lines = []
        recordedLog(Date.now, lines).debug('said', { fact: ${fact} })
        expect(lines).toEqual([])
      })`,
    )
    const child = Bun.spawn([process.execPath, 'test', '--timeout', '300000', 'leaky.test.ts'], {
      cwd: folder.path,
      stdin: 'ignore',
      stdout: 'ignore',
      stderr: 'pipe',
    })
    const words = await new Response(child.stderr).text()
    return { code: await child.exited, words }
  }
  expect(await run("'nothing'")).toMatchObject({ code: 0 })
  const { code, words } = await run('cookie.slice("sallyport=".length)')
  expect(code).not.toBe(0)
  expect(words).toMatch(
    /leaky\.test\.ts:9: .*"level":"debug","message":"said","fact":"<random bytes of a gate: 43 characters>"/,
  )
}, 300_000)
