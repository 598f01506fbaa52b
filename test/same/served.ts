/** What a program answers by the wire, says in its log and counts, when it serves one file and is asked one list of requests. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../kit/gate.ts'
import { freePort } from '../kit/programs/child.ts'
import { startProviderFor } from '../kit/provider/provider.ts'
import { acceptWebSocket } from '../kit/wire/websocket.ts'
import { hasHead, httpResponse, sendRaw, startRawUpstream, type UpstreamConnection } from '../kit/wire/wire.ts'
import type { Section } from './commands.ts'
import { plain, textOf } from './plain.ts'
import { type Asked, askedRequests, type Ports, servedFile, WEBSITE } from './requests.ts'

/** When the files of the website were written, which their ETags say. */
const LONG_AGO_S = 1_700_000_000

/** Every answer, then the log and the counts. */
export async function servedSections(program: string, folder: string): Promise<readonly Section[]> {
  await using upstream = await startRawUpstream(answerAsApplication)
  await using provider = await startProviderFor(
    [{ sub: 'ada', groups: ['staff'] }],
    'http://auth.test/.sallyport/callback',
  )
  const ports: Ports = {
    plain: await freePort(),
    verify: await freePort(),
    admin: await freePort(),
    upstream: upstream.port,
    provider: provider.port,
  }
  const hash = (word: string) => Bun.password.hash(word, { algorithm: 'bcrypt', cost: 4 })
  writeFileSync(join(folder, 'users.htpasswd'), `ada:${await hash('secret')}\nroot:${await hash('other')}\n`)
  mkdirSync(join(folder, 'www'))
  for (const [name, text] of Object.entries(WEBSITE)) {
    writeFileSync(join(folder, 'www', name), text)
    utimesSync(join(folder, 'www', name), LONG_AGO_S, LONG_AGO_S)
  }
  writeFileSync(join(folder, 'routes.toml'), servedFile(ports))
  const given = new Map([
    [folder, '(folder)'],
    ...Object.entries(ports).map(([name, port]): [string, string] => [`:${port}`, `:(port of ${name})`]),
  ])

  const env = { PATH: '/usr/bin:/bin', HOME: folder, TZ: 'UTC' }
  const child = Bun.spawn([program, 'serve', '--config', 'routes.toml'], {
    cwd: folder,
    env,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const records = collect(child.stdout)
  const events = collect(child.stderr)
  try {
    await eventually(() => events.text().includes('is listening') || child.exitCode !== null, 'the program listens')
    if (child.exitCode !== null) throw new Error(`the program does not serve: ${events.text()}`)
    const talk = createTalk(ports, given)
    await signIn(talk)
    for (const asked of askedRequests()) await talk.ask(asked)
    const metrics = await talk.silently({ name: 'metrics', listener: 'admin', text: get('/metrics') })
    child.kill('SIGTERM')
    await child.exited
    await Promise.all([records.ended, events.ended])
    return [
      ...talk.sections,
      { name: 'metrics', text: plain(countsOf(metrics), given) },
      { name: 'access records', text: sorted(plain(records.text(), given)) },
      { name: 'log', text: sorted(plain(events.text(), given)) },
    ]
  } finally {
    child.kill('SIGKILL')
  }
}

interface Talk {
  readonly sections: readonly Section[]
  /** What was learned: cookies, tokens and links by the names that requests use. */
  readonly learned: Map<string, string>
  ask(asked: Asked): Promise<string>
  /** The same, and leaves no section. */
  silently(asked: Asked): Promise<string>
}

function createTalk(ports: Ports, given: ReadonlyMap<string, string>): Talk {
  const sections: Section[] = []
  const learned = new Map<string, string>()
  const silently = async ({ listener, text }: Asked) => {
    const end = text.indexOf('\r\n\r\n')
    const given = { head: text.slice(0, end), body: text.slice(end + 4) }
    let { head, body } = given
    for (const [name, value] of learned) {
      head = head.replaceAll(`{${name}}`, value)
      body = body.replaceAll(`{${name}}`, value)
    }
    if (body !== given.body) head = head.replace(/^Content-Length: \d+$/m, `Content-Length: ${body.length}`)
    const sent = Buffer.from(`${head}\r\n\r\n${body}`, 'latin1')
    // A handshake leaves its connection open, whatever came of it.
    const until = /^upgrade: websocket/im.test(head) ? {} : { until: () => false }
    const { raw } = await sendRaw(ports[listener], sent, { ...until, timeoutMs: 30_000 })
    return textOf(raw)
  }
  return {
    sections,
    learned,
    silently,
    async ask(asked) {
      const answer = await silently(asked).catch(
        (error: unknown) => `no answer: ${error instanceof Error ? error.message : error}`,
      )
      sections.push({
        name: `${sections.length + 1} ${plain(asked.name, given)}`,
        text: plain(lengthChecked(answer), given),
      })
      return answer
    },
  }
}

/** A Content-Length that is right is said to be, as what chance made may be a character longer. */
function lengthChecked(answer: string): string {
  const end = answer.indexOf('\r\n\r\n')
  const length = Buffer.byteLength(answer.slice(end + 4))
  return answer.replace(/^(content-length: )(\d+)/im, (whole, name: string, said: string) =>
    Number(said) === length ? `${name}(right)` : length === 0 ? `${name}(of no body)` : whole,
  )
}

/** Signs two people in, at the portal and at the application, and makes a token and a link; each step is recorded. */
async function signIn({ ask, learned }: Talk): Promise<void> {
  const page = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Connection: close']
  const form = [...page, 'Sec-Fetch-Site: same-origin', 'Content-Type: application/x-www-form-urlencoded']
  for (const [name, password] of [
    ['ada', 'secret'],
    ['root', 'other'],
  ] as const) {
    const jar = new Map<string, Map<string, string>>([
      ['app.test', new Map()],
      ['auth.test', new Map()],
    ])
    const step = async (method: string, url: URL, body?: string): Promise<string> => {
      const cookies = jar.get(url.host)
      if (cookies === undefined) throw new Error(`a sign-in led to ${url.host}`)
      const cookie = [...cookies].map(pair => pair.join('=')).join('; ')
      const lines = [
        `${method} ${url.pathname}${url.search} HTTP/1.1`,
        `Host: ${url.host}`,
        ...(body === undefined ? page : [...form, `Origin: ${url.origin}`, `Content-Length: ${body.length}`]),
        ...(cookie === '' ? [] : [`Cookie: ${cookie}`]),
      ]
      const answer = await ask({
        name: `${name} signs in: ${method} ${url.host}${url.pathname}`,
        listener: 'plain',
        text: `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`,
      })
      for (const [, key = '', value = ''] of answer.matchAll(/^set-cookie: ([^=\r\n]+)=([^;\r\n]*)/gim)) {
        if (value === '') cookies.delete(key)
        else cookies.set(key, value)
      }
      return answer
    }
    const follow = async (answer: string, from: URL): Promise<{ readonly answer: string; readonly url: URL }> => {
      const location =
        /^location: (.*)\r$/im.exec(answer)?.[1] ??
        /http-equiv="refresh" content="[0-9]+;url=([^"]*)"/.exec(answer)?.[1]
      if (location === undefined) return { answer, url: from }
      const url = new URL(location.replaceAll('&amp;', '&'), from)
      return follow(await step('GET', url), url)
    }
    const app = new URL('http://app.test/app')
    const chooser = await follow(await step('GET', app), app)
    const people = /href="([^"]*(?:people)[^"]*)"/.exec(chooser.answer)?.[1]
    const begun =
      people === undefined
        ? chooser
        : await follow(await step('GET', new URL(people.replaceAll('&amp;', '&'), chooser.url)), chooser.url)
    const fields = [...begun.answer.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([tag]): [string, string] => [
      /name="([^"]*)"/.exec(tag)?.[1] ?? '',
      /value="([^"]*)"/.exec(tag)?.[1] ?? '',
    ])
    const action = /<form[^>]*action="([^"]*)"/.exec(begun.answer)?.[1] ?? begun.url.href
    const target = new URL(action.replaceAll('&amp;', '&'), begun.url)
    await follow(
      await step('POST', target, new URLSearchParams([...fields, ['name', name], ['password', password]]).toString()),
      target,
    )
    for (const [host, ending] of [
      ['app.test', ''],
      ['auth.test', '-portal'],
    ] as const) {
      const token = jar.get(host)?.get('sallyport')
      if (token === undefined) throw new Error(`${name} is not signed in at ${host}`)
      learned.set(`${name}${ending}-token`, token)
      learned.set(`${name}${ending}`, `sallyport=${token}`)
    }
  }
  const script = [
    'Host: auth.test',
    'Connection: close',
    'Accept: application/json',
    'Sec-Fetch-Site: same-origin',
    'Content-Type: application/x-www-form-urlencoded',
  ]
  const make = async (at: string, body: string) => {
    const text = [
      `POST /.sallyport/${at} HTTP/1.1`,
      ...script,
      'Cookie: {ada-portal}',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n')
    return ask({ name: `ada makes one of ${at}`, listener: 'plain', text })
  }
  const token = /"(sp_[^"]+|[^"]*sallyport_[^"]+)"/.exec(await make('tokens', 'act=create&name=laptop&days=30'))?.[1]
  if (token !== undefined) learned.set('token', token)
  const link = /link=([\w-]+)/.exec(
    await make('guests', `act=create&address=${encodeURIComponent('http://app.test/board')}&name=Aunt&hours=24&uses=2`),
  )?.[1]
  if (link !== undefined) learned.set('link', link)
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`
}

/** Two requests may end, and two parts of a program speak, in either order. */
function sorted(lines: string): string {
  return lines.split('\n').sort().join('\n')
}

/** Families, labels and counts; not what is measured, nor how much memory there is. */
function countsOf(metrics: string): string {
  return metrics
    .split('\n')
    .map(line =>
      /_total[{ ]/.test(line) && !/bytes|seconds/.test(line) ? line : line.replace(/ [\d.eE+-]+\r?$/, ' (number)'),
    )
    .join('\n')
}

function collect(stream: ReadableStream<Uint8Array>): { text(): string; readonly ended: Promise<void> } {
  let text = ''
  const read = async () => {
    const decoder = new TextDecoder()
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true })
  }
  return { text: () => text, ended: read() }
}

/** An application that says what it was sent, or answers oddly where it is asked to. */
async function answerAsApplication(connection: UpstreamConnection): Promise<void> {
  while (!connection.isClosed) {
    const { raw } = await connection.receive({ until: isWhole, timeoutMs: 600_000 })
    if (raw.length === 0) return
    const text = raw.toString('latin1')
    const path = text.split(' ', 2)[1] ?? ''
    const kind = /\/answer\/([\w-]+)/.exec(path)?.[1]
    if (/^sec-websocket-key:/im.test(text)) {
      await connection.send(path.includes('refuse') ? httpResponse(403, 'no') : acceptWebSocket({ raw }))
    } else if (kind === 'silent') {
      await connection.receive({ until: () => false, timeoutMs: 600_000 })
    } else if (kind === 'nothing') {
      connection.close()
    } else {
      const isHead = text.startsWith('HEAD ')
      const answer = ODD_ANSWERS[kind ?? ''] ?? httpResponse(200, text, ['Content-Type: text/plain'])
      await connection.send(isHead ? answer.slice(0, answer.indexOf('\r\n\r\n') + 4) : answer)
      if (kind === 'bad-head') return connection.end()
    }
  }
}

const ODD_ANSWERS: Readonly<Record<string, string>> = {
  cookies: httpResponse(200, 'x', [
    'Set-Cookie: a=1; Path=/',
    'Set-Cookie: sallyport=evil; Path=/',
    'Set-Cookie: b=2; Domain=test',
  ]),
  location: httpResponse(302, '', ['Location: http://inner.test/x?y#z', 'Refresh: 1;url=/x']),
  'other-location': httpResponse(301, '', ['Location: //evil.test/', 'Content-Location: /y']),
  hop: httpResponse(200, 'x', ['Connection: X-Hop', 'X-Hop: 1', 'Keep-Alive: timeout=5', 'Proxy-Authenticate: Basic']),
  'bad-head': 'HTTP/1.1 200 OK\r\nX bad\r\n\r\n',
  early: `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n${httpResponse(200, 'x')}`,
  304: 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n',
  204: 'HTTP/1.1 204 No Content\r\n\r\n',
  500: httpResponse(500, 'broken', ['Server: inner/1', 'X-Powered-By: x']),
  'alt-svc': httpResponse(200, 'x', [
    'Alt-Svc: h3=":443"',
    'Clear-Site-Data: "*"',
    'NEL: {}',
    'Service-Worker-Allowed: /',
  ]),
  'long-field': httpResponse(200, 'x', [`X-Long: ${'y'.repeat(9000)}`]),
  csp: httpResponse(200, 'x', [
    "Content-Security-Policy: default-src 'self'",
    'X-Frame-Options: DENY',
    'Strict-Transport-Security: max-age=1',
  ]),
  cached: httpResponse(200, 'x', ['Cache-Control: public, max-age=60', 'Vary: Accept', 'ETag: "x"']),
}

/** Whether a request is there with its body. */
function isWhole(received: Buffer): boolean {
  if (!hasHead(received)) return false
  const text = received.toString('latin1')
  const end = text.indexOf('\r\n\r\n') + 4
  const head = text.slice(0, end)
  if (/^transfer-encoding:.*chunked/im.test(head)) return text.endsWith('0\r\n\r\n')
  return text.length - end >= Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
}
