import { describe, expect, test } from 'bun:test'
import { createVeil as createVeilWith } from '../../../src/config/hidden/redact.ts'
import { growsWith } from '../../kit/growth.ts'

/** Marks that can be read: numbers in the order in which they come. */
function createVeil() {
  const seen: string[] = []
  return createVeilWith(source => {
    if (!seen.includes(source)) seen.push(source)
    return String(seen.indexOf(source) + 1).padStart(8, '0')
  })
}

const hide = (text: string) => createVeil().hide(text)

const FILE = `include = ["conf.d/*.toml"]
# client_secret = "planted-comment"
# client_secret:"planted-comment"
# One word of it is said: that the portal is ours.
[server]
listen = ["127.0.0.1:1"]
[sessions]
store = "redis://user:planted/re@dis@valkey:6379/0"
key = "\${file:/run/key}"
[providers.id]
issuer = "https://id.example.com"
client_secret = 'planted-secret'
[portals.home]
url = "https://auth.example.com"
requests = { webhook = "https://ntfy.example.com/planted-hook" }
[portals.home.roles]
user = { any = true, claims = { team = ["it", 3] } }
[[routes]]
host = "a.example.com"
upstream = { to = "http://a", basic_auth = { user = "gate", password = """planted
lines""" } }
request_headers.set = { Authorization = "Bearer planted-field", X-Known = "\${TOKEN}" }
response_headers.set = { X-Frame-Options = "DENY" }
allow = ["user", { groups = ["admins"] }]
`

describe('what is hidden of a file', () => {
  test('every secret of the key tables is, and so are logins in addresses; what names a secret and the rest is not', () => {
    const shown = hide(FILE)
    expect(shown).not.toContain('planted')
    const lines = FILE.split('\n')
    const same = shown.split('\n').filter(line => lines.includes(line))
    expect(lines.filter(line => !same.includes(line)).map(line => line.split(' =')[0])).toEqual([
      '# client_secret',
      '# client_secret:"planted-comment"',
      'store',
      'client_secret',
      'requests',
      'upstream',
      'lines""" } }',
      'request_headers.set',
    ])
    expect(shown).toContain('store = "redis://${kept:00000002}@valkey:6379/0"')
    expect(shown).toContain('X-Known = "${TOKEN}"')
    expect(shown).toContain('user = "gate", password = "${kept:00000005}"')
  })

  test('a value whose key is misspelt, misplaced, or of another kind than its key takes, is', () => {
    const wrong = ['client_secert = "planted"', 'client_secret = ["planted"]', 'extra = { client_secret = "planted" }']
    for (const line of wrong) expect(hide(`[providers.id]\nissuer = "https://a"\n${line}`)).not.toContain('planted')
    expect(hide('client_secret = "planted"')).not.toContain('planted')
    expect(hide('[providers]\nclient_secret = "planted"')).not.toContain('planted')
    expect(hide('[providers.id]\nclient_secret = 123456')).not.toContain('123456')
    expect(hide('[sessions]\nkey = "$${planted}"')).not.toContain('planted')
  })

  test('of what is no TOML, everything below a key that may hold a secret is, and whatever belongs to none', () => {
    const broken = FILE.replace('allow = ["user"', 'allow = ["user')
    const shown = hide(broken)
    expect(shown).not.toContain('planted')
    for (const line of ['allow = ["user, {', 'user = { any = true', 'host = "a.example.com"', '[portals.home.roles]'])
      expect(shown).toContain(line)
    expect(hide('ada:$2b$10$planted\nno = [')).not.toContain('planted')
    expect(hide('[providers.id\nclient_secret = "planted"\nissuer = "planted"')).not.toContain('planted')
    expect(hide('[providers.id]\nclient_secret = """\nplanted\nissuer =\n')).not.toContain('planted')
  })

  test('the query of an address is, and of a path that is asked for; what names a secret in it is not', () => {
    const shown = hide(`[providers.id]
metadata_url = "https://id.example.com/m?key=planted"
[[routes]]
upstream = { to = "http://a?planted", health = { path = "/healthz?token=planted" } }
redirect = "https://new.example.com/?planted=a&b=planted#planted"
# see https://a.example.com/?planted and https://b.example.com/#planted
`)
    expect(shown).not.toContain('planted')
    expect(shown).toContain('metadata_url = "https://id.example.com/m?${kept:00000001}"')
    const named = '[providers.id]\nmetadata_url = "https://a/m?key=${KEY}&id=${file:/run/id}"\n'
    expect(hide(named)).toBe(named)
  })

  test('of what is no TOML, what looks like another key on a line is, and a single value is not', () => {
    const broken = `[providers.id]
issuer = "https://id.example.com" client_secret = "planted"
client_id = gate # client_secret = planted
label = "https://a?planted
[[routes]]
upstream = http://localhost:3000
upstream = ["http://a?planted", "http://b?planted"
upstream = { to = "http://a", basic_auth = { password = "planted }
allow = ["user"], client_secret = planted
`
    const shown = hide(broken)
    expect(shown).not.toContain('planted')
    for (const part of [
      'issuer = "https://id.example.com" $',
      'client_id = gate # $',
      'upstream = http://localhost:3000\n',
    ])
      expect(shown).toContain(part)
  })

  test.each(['"""', "'''"])('of what is no TOML, a text of several lines is, up to where it is closed: %s', quotes => {
    for (const key of ['client_secret =', 'client_secret:', 'label =', 'extra = ["x",', 'scopes = [ "a",']) {
      const text = `[providers.id]
${key} ${quotes}
plantedBADANBgkqh==
# planted of ops
[planted]
client_id = "planted"
planted${quotes}${key.includes('[') ? ']' : ''}
client_id = "gate"
no = [
`
      const shown = hide(text)
      expect(shown).not.toContain('planted')
      expect(shown).toContain('client_id = "gate"')
      expect(hide(text.replace(`planted${quotes}`, 'planted'))).not.toContain('planted')
      expect(hide(`label = ${quotes}\n${text}`)).not.toContain('planted')
    }
    const text = `[providers.id]\nclient_secret = ${quotes}${quotes}\nclient_id = "gate"\nno = [`
    expect(hide(text)).toContain('client_id = "gate"')
  })

  test('of what is no TOML, a list of what is no secret is shown as far as it is understood', () => {
    const text = `[server]
listen = [
  "127.0.0.1:1", # of ours
  '127.0.0.1:2',
]
[portals.home.roles]
user = [
  { groups = ["admins"], any = true },
  0,
]
no = [
`
    expect(hide(text)).toBe(text)
    expect(hide(text.replace('"127.0.0.1:1",', '"127.0.0.1:1" planted'))).not.toContain('planted')
  })

  test('a program’s arguments are, and its environment: tokens are handed over in both', () => {
    const shown = hide('[tls.acme.dns]\nexec = ["/usr/bin/dns", "--token=planted"]\nenv = { TOKEN = "planted" }\n')
    expect(shown).not.toContain('planted')
    expect(hide('[tls]\nacme = { dns = { exec = "planted" } }\n')).not.toContain('planted')
  })

  test('the same secret has the same number in every text, and another one another', () => {
    const veil = createVeil()
    const text = (secret: string) => `[providers.id]\nclient_secret = "${secret}"\n`
    expect(veil.hide(text('one'))).toBe(veil.hide(text('one')))
    expect(veil.hide(text('two'))).not.toBe(veil.hide(text('one')))
  })
})

describe('what is put back', () => {
  test.each([FILE, FILE.replaceAll('\n', '\r\n'), `\uFEFF${FILE}`])('is what was there', file => {
    const veil = createVeil()
    expect(veil.restore(veil.hide(file))).toEqual({ kind: 'whole', text: file })
  })

  test('stands where its key hides it again, wherever that moved', () => {
    const veil = createVeil()
    const shown = veil.hide('[providers.id]\nissuer = "https://a"\nclient_secret = "planted"\n')
    expect(veil.restore(`# new\n${shown.replace('.id', '.other')}`)).toEqual({
      kind: 'whole',
      text: '# new\n[providers.other]\nissuer = "https://a"\nclient_secret = "planted"\n',
    })
  })

  test.each([
    '[portals.home]\ntitle = "${kept:00000001}"',
    '[portals.home]\ntitle = "${kept:00000002}"',
    '[portals.home]\ntitle = "//${kept:00000002}@"',
    '[portals.home]\ntitle = "x://${kept:00000002}@"',
    '# see "${kept:00000001}"',
    '# note = "${kept:00000001}"',
    '[[routes]]\nresponse_headers.set = { A = "${kept:00000001}" }',
    '[[routes]]\nrequest_headers.set = { A = "${kept:00000001}" }',
  ])('never stands where it would be shown, or goes elsewhere: %s', line => {
    const veil = createVeil()
    const shown = veil.hide('[sessions]\nstore = "redis://u:planted@h"\n[providers.id]\nclient_secret = "planted"\n')
    const swapped = line
      .replace('${kept:00000001}', '${kept:00000009}')
      .replace('${kept:00000002}', '${kept:00000001}')
      .replace('${kept:00000009}', '${kept:00000002}')
    const restored = veil.restore(`${shown}${swapped}\n`)
    expect(restored.kind).toBe('exposed')
    expect(JSON.stringify(restored)).not.toContain('planted')
  })
})

describe('a draft with a long line costs no more than its length', () => {
  test.each([
    ['blanks in a comment', (length: number) => `# a = b${' '.repeat(length)}x`],
    ['blanks in what is no TOML', (length: number) => `x = a${' '.repeat(length)}b`],
    ['quotes in what is no TOML', (length: number) => `x = ${'"\\'.repeat(length / 2)}`],
  ])('%s', (what, make) => {
    growsWith(length => hide(make(length)), 40_000, what)
  })

  test('where it is no TOML, nothing from it on is shown', () => {
    const shown = hide(`[server]\nlisten = ["a"]\nx = ${'y '.repeat(3000)}\ntitle = "planted"\n`)
    expect(shown).toStartWith('[server]\nlisten = ["a"]\n${kept:')
    expect(shown).not.toContain('planted')
  })
})
