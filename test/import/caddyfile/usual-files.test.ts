import { expect, test } from 'bun:test'
import { imported, section } from '../imported.ts'

// As the documentation of Caddy and caddy-security has them, each with what somebody new to this would stumble over.

const made = (text: string) => imported(text, ['--from', 'caddyfile'])

test('an application at the usual port of this machine keeps it', async () => {
  const { routes, mistakes } = await made('example.com {\n reverse_proxy localhost:8080\n}\n')
  expect(mistakes).toEqual([])
  expect(section(routes, '[server]')[0]).toBe('listen = ["0.0.0.0:8000"]')
  const elsewhere = await made('example.com {\n reverse_proxy app:8080\n}\n')
  expect(section(elsewhere.routes, '[server]')[0]).toBe('listen = ["0.0.0.0:8080"]')
})

test('what is carried over line by line is not said to be for nobody', async () => {
  const { notes } = await made(
    '(common) {\n header {\n X-Frame-Options DENY\n -Server\n }\n}\na.example.com {\n import common\n reverse_proxy app:1\n}\n',
  )
  expect(notes.filter(note => note.includes('no request came to it'))).toEqual([])
})

test('a path that nobody gets asks for no proxy in front, nor for anybody’s name', async () => {
  const { routes, unset, code } = await made(
    'example.com {\n @forbidden {\n  path /data/*\n  path /.htaccess\n }\n respond @forbidden 404\n reverse_proxy app:1\n}\n',
  )
  expect([code, unset, routes.includes('trusted_proxies')]).toEqual([0, [], false])
})

test('people of a local identity store get a file of passwords to be made, and nobody comes in until then', async () => {
  const { routes, mistakes, missingFiles, notes } = await made(`{
 security {
  local identity store localdb {
   realm local
   path users.json
  }
  authentication portal myportal {
   enable identity store localdb
  }
  authorization policy mypolicy {
   allow roles authp/user
  }
 }
}
example.com {
 route /auth* {
  authenticate with myportal
 }
 route {
  authorize with mypolicy
  reverse_proxy app:1
 }
}
`)
  expect(mistakes).toEqual([])
  expect(missingFiles.map(path => path.split('/').at(-1))).toEqual(['users.htpasswd'])
  expect(section(routes, '[providers.local]')).toContain('users = "users.htpasswd"')
  expect(section(routes, '[[routes]]')).toContain('allow = [{ subjects = ["${WHO_MAY}"] }]')
  expect(notes.filter(note => note.startsWith('closed'))).toEqual([expect.stringMatching(/^closed 7 /)])
})

test('a prefix that is taken off another path than the one asked for is told by that, not as unknown', async () => {
  const { notes } = await made(
    'example.com {\n uri replace /foo /bar\n handle_path /g/* {\n reverse_proxy g:1\n }\n reverse_proxy app:1\n}\n',
  )
  expect(notes).toContainEqual(
    'closed 3 handle_path: the routes that it is for let nobody in: the path may be another one by then: write strip_prefix into the route',
  )
})
