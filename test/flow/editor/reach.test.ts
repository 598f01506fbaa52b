import { describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SCRIPT } from '../../kit/fields.ts'
import type { Gate } from '../../kit/gate.ts'
import { htmlPage } from '../../kit/html.ts'
import { editable, editor, onDisk, STEP } from './editing.ts'
import { fileWith } from './file.ts'

/** What each of the three ways to send a draft says of it; the file on disk stays as it is. */
async function refusals(gate: Gate, draftOf: (text: string) => string): Promise<readonly string[]> {
  const before = onDisk(gate)
  const root = await editor(gate)
  const { form } = await root.open()
  const text = draftOf(form.text)
  expect(text).not.toBe(form.text)
  const said: string[] = []
  for (const act of ['check', 'review', 'save']) {
    const { status, html } = await root.send({ ...form, text, act }, act === 'check' ? SCRIPT : undefined)
    expect([act, status]).toEqual([act, act === 'check' ? 200 : 422])
    said.push(htmlPage(html).text)
  }
  expect(onDisk(gate)).toBe(before)
  return said
}

const SECRETS = `[telemetry]
endpoint = "http://127.0.0.1:1"
headers = { authorization = "planted-token" }
[upstreams.app]
to = "http://127.0.0.1:1"
basic_auth = { user = "gate", password = "planted-password" }
[[routes]]
host = "named.test"
portal = "home"
allow = ["user"]
upstream = "@app"
[[routes]]
host = "own.test"
portal = "home"
allow = ["user"]
upstream = "http://127.0.0.1:1"
request_headers.set = { Authorization = "planted-field" }
`

describe('whoever edits has no secret sent to a place of theirs', () => {
  test.each([
    ['a provider', (text: string) => text.replace(/issuer = "[^"]*"/, 'issuer = "http://127.0.0.1:7"')],
    ['an address inside', (text: string) => text.replace(/(?=client_secret)/, 'internal_url = "http://evil.test"\n')],
    [
      'a receiver of traces',
      (text: string) => text.replace('endpoint = "http://127.0.0.1:1"', 'endpoint = "http://127.0.0.1:7"'),
    ],
    ['upstreams by name', (text: string) => text.replace('to = "http://127.0.0.1:1"', 'to = "http://evil.test"')],
    ['an upstream', (text: string) => text.replace('upstream = "http://127.0.0.1:1"', 'upstream = "http://evil.test"')],
    ['a Host', (text: string) => text.replace('"named.test"', '"evil.test"')],
  ])('by the address of %s', async (_, turn) => {
    await using gate = await editable(STEP + fileWith(SECRETS))
    for (const said of await refusals(gate, turn)) {
      expect(said).toContain('would be sent to another place')
      expect(said).not.toMatch(/planted|gate-secret/)
    }
  })

  test('nor by a file that another one includes; what is beside a secret may change, and all of it with a secret written anew', async () => {
    await using gate = await editable()
    mkdirSync(join(gate.folder, 'conf.d'))
    const tables = SECRETS.slice(0, SECRETS.indexOf('[[routes'))
    const other = join(gate.folder, 'conf.d', 'a.toml')
    writeFileSync(other, SECRETS.slice(tables.length))
    writeFileSync(gate.configPath, `include = ["conf.d/*.toml"]\n${onDisk(gate)}${tables}`)
    await gate.server.reload()
    for (const said of await refusals(gate, text =>
      text.replace('to = "http://127.0.0.1:1"', 'to = "http://evil.test"'),
    ))
      expect(said).toContain('would be sent to another place')
    const root = await editor(gate)
    const { form } = await root.open(other)
    const fine = form.text.replace('allow = ["user"]', 'allow = ["admin"]')
    expect((await root.send({ ...form, text: fine, act: 'save' })).status).toBe(303)
    const anew = (await root.open(other)).form
    const text = anew.text
      .replace('upstream = "http://127.0.0.1:1"', 'upstream = "http://127.0.0.1:2"')
      .replace(/Authorization = "[^"]*"/, 'Authorization = "anew"')
    expect((await root.send({ ...anew, text, act: 'save' })).status).toBe(303)
  })
})

describe('what is included from a page', () => {
  test.each(['/etc/hostname', '/etc/*.toml', 'planted', 'planted*', '../*.toml', 'link/*.toml', 'link.toml'])(
    'lies in the folder of the file, and is named .toml; whether there is another is not said: %s',
    async pattern => {
      await using gate = await editable()
      writeFileSync(join(gate.folder, 'planted'), 'planted-secret')
      symlinkSync('/etc', join(gate.folder, 'link'))
      symlinkSync('/etc/hostname', join(gate.folder, 'link.toml'))
      const said = await refusals(gate, text => `include = ["${pattern}"]\n${text}`)
      for (const one of said) expect(one).toContain('is no .toml file in the folder of this one')
      expect(said.join()).not.toContain('planted-secret')
    },
  )

  test('is not looked at: of one that is there, the same is said as of one that is not', async () => {
    await using gate = await editable()
    writeFileSync(join(gate.folder, 'planted'), 'planted-secret')
    const [there, none] = await Promise.all(
      ['planted', 'nothing'].map(name => refusals(gate, text => `include = ["${name}"]\n${text}`)),
    )
    expect(there?.[0]).toContain('planted was not included')
    expect(none?.[0]?.replaceAll('nothing', 'planted')).toBe(there?.[0] ?? '')
  })

  test('is told of only once it is included: a mistake in it says where it is, and nothing of what is there', async () => {
    await using gate = await editable()
    for (const text of ['planted-key = "planted-value"', '[server]\nlisten = "planted"', 'planted = ["planted"\n']) {
      writeFileSync(join(gate.folder, 'new.toml'), text)
      for (const said of await refusals(gate, draft => `include = ["new.toml"]\n${draft}`)) {
        expect(said).toContain('new.toml')
        expect(said).not.toContain('planted')
      }
    }
  })

  test('brings along no secret that the file has not: where that would go is not known', async () => {
    await using gate = await editable()
    writeFileSync(
      join(gate.folder, 'new.toml'),
      '[[routes]]\nhost = "n.test"\nupstream = "@mine"\nportal = "home"\nallow = ["user"]\nrequest_headers.set.X = "planted"\n',
    )
    const mine = '[upstreams.mine]\nto = "http://evil.test"\n'
    for (const said of await refusals(gate, text => `include = ["new.toml"]\n${text}${mine}`)) {
      expect(said).toContain('would be sent to another place')
      expect(said).not.toContain('planted')
    }
  })
})
