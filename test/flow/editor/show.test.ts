import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PAGE } from '../../kit/fields.ts'
import { eventually, type Gate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { fetchFrom, statusOf } from '../../kit/requests.ts'
import { ADMIN, APP, change, FILE, fileWith, HOME, start } from './file.ts'

async function look(gate: Gate, claims: Record<string, unknown> = ADMIN, host = HOME) {
  const { cookie } = await gate.signIn(host, claims)
  const answer = await fetchFrom(gate, FILE, { ...PAGE, host, cookie })
  const source = await answer.text()
  return { status: answer.status, source, page: htmlPage(source), answer }
}

test('an admin sees the file in force without its secrets, in a page that runs nothing and is in no frame', async () => {
  await using gate = await start(`${fileWith()}# <script>alert(1)</script>\n`)
  const { status, source, page, answer } = await look(gate)
  expect(status).toBe(200)
  expect(page.text).toContain('issuer = "http://127.0.0.1:9"')
  expect(page.text).toMatch(/client_secret = "\$\{kept:[\w-]{8}\}"/)
  expect(source).not.toContain('gate-secret')
  expect(page.text).toContain('# <script>alert(1)</script>')
  expect(page.has('script')).toBe(false)
  expect(page.text).toContain('The file on disk is in use.')
  const policy = answer.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('script-src')
  expect([answer.headers.get('x-frame-options'), answer.headers.get('cache-control')]).toEqual(['DENY', 'no-store'])
})

test('what is on disk is shown with the mistakes for which it is refused, while the old one is in force', async () => {
  await using gate = await start()
  change(gate, 'allow = ["user"]', 'alow = ["user"]\nextra = "planted-in-a-wrong-key"')
  await eventually(() => gate.told('config.refused').length > 0, 'the save is refused')
  const { source, page } = await look(gate)
  expect(page.text).toContain('The file on disk has errors')
  expect(page.text).toMatch(/line \d+ unknown key "alow" in \[\[routes\]\] did you mean "allow"\?/)
  expect(page.text).toContain('2 errors, 1 warning')
  expect(page.texts('.removed')).toContain('- allow = ["user"]')
  expect(page.texts('.added').filter(line => line.startsWith('+ alow = ["${kept:'))).toHaveLength(1)
  expect(source).not.toContain('planted-in-a-wrong-key')
  expect(await statusOf(gate, '/', { host: APP, accept: 'application/json' })).toBe(401)
})

test('no mistake is told with what is hidden', async () => {
  const fields = 'request_headers.set = { X-Planted = "Bearer planted-in-a-field" }'
  const route = `[[routes]]\nhost = "fields.test"\nupstream = "http://127.0.0.1:9"\nallow = "public"\n${fields}\n`
  await using gate = await start(fileWith(route))
  const seen: string[] = []
  for (const [from, to] of [
    ['sqlite:sallyport.db', 'postgres://gate:planted-in@an-address@db'],
    ['postgres://', 'https://'],
    ['Bearer planted', 'Bearer {planted'],
    ['"Bearer', '"\\u0000Bearer'],
    [/X-Planted = .*/, '"X Planted" = "planted-in-a-field" }'],
    ['http://127.0.0.1:9', 'http://gate:planted-in-a-login@127.0.0.1:9'],
    ['"http://gate', '"scheme://gate'],
    ['fields.test', 'https://gate:planted-in-a-host@fields.test'],
  ] as const) {
    const before = gate.told('config.refused').length
    change(gate, from, to)
    await eventually(() => gate.told('config.refused').length > before, `${from} is refused`)
    const { page } = await look(gate)
    expect(page.text).toContain('The file on disk has errors')
    seen.push(...page.texts('li.error'))
  }
  expect(seen.length).toBeGreaterThan(7)
  expect(seen.filter(finding => /planted/.test(finding))).toEqual([])
})

test('files that are included are shown like the first, and a secret that changed is another one', async () => {
  await using gate = await start()
  mkdirSync(join(gate.folder, 'conf.d'))
  const other = join(gate.folder, 'conf.d', 'b.toml')
  writeFileSync(
    other,
    '[providers.other]\nissuer = "http://127.0.0.1:8"\nclient_id = "b"\nclient_secret = "planted-b"\n',
  )
  change(gate, /^/, 'include = ["conf.d/*.toml"]\n')
  await eventually(async () => (await look(gate)).page.text.includes('The file on disk is in use.'), 'both are read')
  writeFileSync(
    other,
    '[providers.other]\nissuer = "http://127.0.0.1:8"\nclient_id = "b"\nclient_secret = "planted-c"\nx = 1\n',
  )
  const { source, page } = await look(gate)
  expect(page.texts('.findings .place')).toContain(`${other}, line 5`)
  expect(page.texts('.findings p')).toContain('unknown key "x" in [providers.other]')
  for (const [kind, sign] of [
    ['.removed', '-'],
    ['.added', '+'],
  ] as const) {
    expect(page.texts(kind).filter(line => line.startsWith(`${sign} client_secret = "\${kept:`))).toHaveLength(1)
  }
  expect(source).not.toContain('planted')
})

test('nobody else sees it: no user, no stranger, no other host, no portal beside others', async () => {
  await using gate = await start()
  expect((await look(gate, { sub: 'ada' })).status).toBe(403)
  expect(await statusOf(gate, FILE, { host: HOME, accept: 'application/json' })).toBe(401)
  const away = await look(gate, ADMIN, APP)
  expect([away.status, away.answer.headers.get('location')]).toEqual([302, `http://${HOME}${FILE}`])
  const two = `${fileWith()}\n[portals.work]\nproviders = ["id"]\ninsecure_cookies = true\nurl = "http://work.test"\nroles.user = { any = true }\n`
  await using shared = await start(two)
  expect((await look(shared)).status).toBe(404)
  await using none = await start(fileWith().replace('admin_role = "admin"', ''))
  expect((await look(none)).status).toBe(404)
})

test('of a line that is no TOML, what it was meant to be is not shown: it may be a secret', async () => {
  await using gate = await start()
  for (const line of ['store = redis://gate:planted@valkey:6379/0', 'auth = Bearer-planted', 'x = { y = planted }']) {
    writeFileSync(gate.configPath, `${line}\n${fileWith()}`)
    const { source, page } = await look(gate)
    expect(page.texts('.findings .place')).toContain('line 1')
    expect(page.texts('.findings p').join()).toContain('text goes in double quotes')
    expect([line, source.includes('planted')]).toEqual([line, false])
  }
})
