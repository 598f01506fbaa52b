import { expect } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type App, startApp } from '../../kit/applications/app.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { type Gate, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { freePort } from '../../kit/programs/child.ts'
import { type Front, startCaddy } from '../../kit/programs/front.ts'
import { imported } from '../../migrate/imported.ts'

const { afterAll, beforeAll, describe, test } = needs('caddy')

const HOST = 'app.example.test'

let app: App
let caddy: Front
let gate: Gate
const folder = temporaryFolder()

/** A site that changes fields in each way, in front of an application that sends some of its own. */
const siteAt = (port: number, files: string) => `http://${HOST}:${port} {
  header X-Frame-Options DENY
  header +Vary Cookie
  header /static/* Cache-Control no-store
  @assets path /static/* /more/*
  header @assets X-Assets yes
  header /exact X-Exact yes
  handle /removed/* {
    header -X-Own
    header -Server
    reverse_proxy 127.0.0.1:${app.port}
  }
  handle /deferred/* {
    header {
      X-Own site
      -X-Other
      defer
    }
    reverse_proxy 127.0.0.1:${app.port}
  }
  handle /down/* {
    reverse_proxy 127.0.0.1:${app.port} {
      header_down X-Own down
      header_down -X-Other
      header_down +X-More down
      header_up X-Up set
      header_up +X-Sent added
      header_up -X-Gone
    }
  }
  handle /said {
    header X-Said yes
    respond "hello" 200
  }
  handle /app/* {
    root * ${files}
    try_files {path} {path}/ /files/a.txt
    file_server
  }
  handle /json {
    respond \`{"a":{"b":1}}\` 200
  }
  handle /re/* {
    rewrite * /x{path}
    reverse_proxy 127.0.0.1:${app.port}
  }
  handle /www {
    redir * https://www.{host}{uri} 308
  }
  handle /sent {
    header X-Sent-On yes
    redir * /said 302
  }
  handle /files/* {
    header X-Files yes
    root * ${files}
    file_server
  }
  reverse_proxy 127.0.0.1:${app.port}
}
`

beforeAll(async () => {
  app = await startApp(({ headers, url }, response) => {
    for (const [name, value] of Object.entries({ 'X-Own': 'app', 'X-Other': 'app', Server: 'app', Vary: 'Accept' }))
      response.setHeader(name, value)
    const got = ['x-up', 'x-sent', 'x-gone'].map(name => headers[name] ?? '-')
    response.setHeader('X-Url', url ?? '')
    response.setHeader('X-Got', got.join(' ')).end('the application')
  })
  const port = await freePort()
  const site = siteAt(port, folder.path)
  mkdirSync(join(folder.path, 'files'))
  writeFileSync(join(folder.path, 'files/a.txt'), 'a file')
  caddy = await startCaddy(folder.path, port, site)
  const { routes, mistakes } = await imported(site, ['--caddy', Bun.which('caddy') ?? 'caddy'])
  if (mistakes.length > 0) throw new Error(JSON.stringify(mistakes))
  // What an application is sent is not copied: the operator says it.
  const filled = routes.replace('${HEADER_X_UP}', 'set').replace('${HEADER_X_SENT}', 'added')
  gate = await startGate(filled.slice(filled.indexOf('[[routes]]')))
})
afterAll(async () => {
  await gate?.[Symbol.asyncDispose]()
  await caddy?.[Symbol.asyncDispose]()
  await app?.stop()
  folder[Symbol.dispose]()
})

const NAMES = [
  ...['X-Frame-Options', 'Vary', 'Cache-Control', 'X-Assets', 'X-Exact', 'X-Own', 'X-Other', 'X-More', 'X-Got'],
  ...['X-Said', 'X-Sent-On', 'X-Files', 'X-Url', 'Location'],
]

/** The status, and the values of each field in no order. */
async function answer(port: number, path: string): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    redirect: 'manual',
    headers: { host: HOST, 'x-sent': 'mine', 'x-gone': 'mine' },
  })
  const body = await response.text()
  const fields = NAMES.map(name => [name, response.headers.get(name)?.split(', ').sort() ?? null])
  return { status: response.status, body, ...Object.fromEntries(fields) }
}

describe('fields of answers are those that Caddy sent', () => {
  const paths = [
    ...['/', '/x', '/exact', '/exact/x', '/static/a.css', '/static', '/more/a', '/removed/x', '/deferred/x', '/down/x'],
    ...['/said', '/sent', '/json', '/re/b%20c?q=1', '/re/', '/www?q=1', '/www'],
  ]
  test.each(paths)('%s', async path => {
    expect(await answer(gate.port, path)).toEqual(await answer(caddy.port, path))
  })
})

test('the application is sent what header_up says', async () =>
  expect(await answer(gate.port, '/down/x')).toMatchObject({ 'X-Got': ['added -', 'set mine'] }))

test('fields of files are those that Caddy sent, beside what a route says of its files', async () => {
  const { Vary, ...was } = await answer(caddy.port, '/files/a.txt')
  const now = await answer(gate.port, '/files/a.txt')
  expect(now).toMatchObject(was)
  expect(now.Vary).toEqual(expect.arrayContaining(Vary as string[]))
})

test('the page of files stands for the same addresses, but for those of files that are missing', async () => {
  const bodyAt = async (port: number, path: string) => (await answer(port, path)).body
  for (const path of ['/app/deep/link', '/app/x'])
    expect([path, await bodyAt(gate.port, path)]).toEqual([path, await bodyAt(caddy.port, path)])
  expect(await bodyAt(caddy.port, '/app/x')).toBe('a file')
  expect((await answer(gate.port, '/app/missing.js')).status).toBe(404)
})
