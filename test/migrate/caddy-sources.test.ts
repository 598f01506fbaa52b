import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runImport } from '../../src/migrate/import.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { eventually } from '../kit/gate.ts'
import { runIn } from '../kit/io.ts'
import { needs } from '../kit/needs.ts'
import { freePort } from '../kit/programs/child.ts'

const RECORDED = join(import.meta.dir, '../recorded/caddy-security')
const recorded = (name: string) => readFileSync(join(RECORDED, name), 'utf8')
const PLAIN = ':8080 {\n\trespond /hi hi\n}\n'
const PLAIN_JSON = JSON.stringify({
  apps: {
    http: {
      servers: { srv0: { listen: [':8080'], routes: [{ handle: [{ handler: 'static_response', body: 'hi' }] }] } },
    },
  },
})

interface Made {
  readonly code: number
  readonly out: string
  readonly err: string
  readonly wrote: boolean
}

/** What comes of a command line, in a folder with these files. A name that ends with `*` is a program. */
async function imports(files: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<Made> {
  using folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder.path, name.replace('*', ''))
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
    if (name.endsWith('*')) chmodSync(path, 0o755)
  }
  const ran = await runIn(folder.path, io => runImport([...argv, '--out', 'routes.toml'], io))
  return { ...ran, wrote: existsSync(join(folder.path, 'routes.toml')) }
}

/** Fails, and leaves nothing behind. */
async function refuses(files: Readonly<Record<string, string>>, ...argv: readonly string[]) {
  const { code, out, err, wrote } = await imports(files, ...argv)
  expect([out, wrote]).toEqual(['', false])
  return { code, err }
}

describe('a file of JSON', () => {
  test('what caddy adapt prints is seen by what is in it, whatever it is called', async () => {
    for (const name of ['caddy.json', 'autosave.json', 'old']) {
      const { code, err, wrote } = await imports({ [name]: recorded('c02-acl.adapted.json') }, name)
      expect([code, wrote]).toEqual([0, true])
      expect(err).toContain('The new file is good')
    }
  })

  test('the chapter shows what comes of the set-up that it begins with', async () => {
    const chapter = readFileSync(join(import.meta.dir, '../../docs/moving-in-from-caddy-security.md'), 'utf8')
    const block = (kind: string) => new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'ms').exec(chapter)?.[1]
    const json = recorded('seed.adapted.json').replaceAll('http://localhost', 'https://id.example.com')
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'caddy.json'), json)
    const { code, out, err } = await runIn(folder.path, io => runImport(['caddy.json'], io))
    expect(code).toBe(0)
    const lines = out.split('\n').filter(line => !line.startsWith('#'))
    expect(
      `${lines
        .map(line => line.replace(/ {2}#.*/, ''))
        .join('\n')
        .replace(/\n{3,}/g, '\n\n')
        .trim()}\n`,
    ).toBe(block('toml') ?? '')
    expect(err).toBe(block('text') ?? '')
  })

  test('no other JSON is taken for it', async () => {
    const manifest = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { labels: { apps: 'x' } } })
    expect((await refuses({ 'a.json': manifest }, 'a.json')).err).not.toContain('Caddy')
    const { code, err } = await refuses({ old: '{"servers": {}}' }, 'old')
    expect([code, err]).toEqual([1, expect.stringContaining("nor Caddy's JSON; say which it is with --from")])
  })

  test.each([
    ['null', 'caddy.json says null: this Caddy has no configuration loaded'],
    ['{"apps": {"tls": {}}}', 'caddy.json has no sites in it'],
    ['[]', 'caddy.json has no sites in it'],
    ['{"level":"warn"}\n{"apps": {}}', 'caddy.json is no JSON: give what "caddy adapt" prints on standard output'],
  ])('%s is said to be none with sites', async (text, said) => {
    const { code, err } = await refuses({ 'caddy.json': text }, 'caddy.json', '--from', 'caddy')
    expect([code, err]).toEqual([1, expect.stringContaining(said)])
  })

  test('it is imported by itself', async () => {
    const files = { 'caddy.json': PLAIN_JSON, 'other.json': PLAIN_JSON }
    expect((await refuses(files, 'caddy.json', 'other.json')).err).toContain('imported by itself')
    expect((await refuses(files, 'caddy.json', '--', '--upstream=x')).err).toContain('imported by itself')
  })
})

describe('a running Caddy', () => {
  test.each([
    'http://192.0.2.7:2019',
    'http://caddy:2019',
    'http://localhost',
    'https://localhost:2019',
    'http://localhost:2019/load',
    'http://localhost:2019/config/apps',
    'http://me@localhost:2019',
    'http://localhost.example.com:2019',
    'http://localhost:2019@example.com',
    'http://127.0.0.1:2019?x',
    'http://127.0.0.999:2019',
    '127.1:2019/x://',
    'unix://run/caddy.sock',
  ])('%s is not asked', async address => {
    const { code, err } = await refuses({}, address)
    expect(code).toBe(address.includes('://') && !address.startsWith('127.1') ? 2 : 1)
    expect(err).toContain(address)
  })

  /** What stands in for its API, and the requests that it got. */
  async function asks(answer: (path: string) => Response, argv: (port: number) => string) {
    const asked: string[] = []
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        const { pathname, search } = new URL(request.url)
        asked.push(`${request.method} ${pathname}${search} ${request.headers.get('host')?.replace(/\d+$/, 'PORT')}`)
        return answer(pathname)
      },
    })
    const made = await imports({}, argv(server.port ?? 0))
    return { ...made, asked }
  }

  test('one GET asks it, of that path and no other', async () => {
    for (const named of [
      'http://localhost:PORT',
      '127.0.0.1:PORT',
      'http://127.0.0.1:PORT/config/',
      'localhost:PORT/',
    ]) {
      const { asked, code, err } = await asks(
        () => new Response(PLAIN_JSON),
        port => named.replace('PORT', `${port}`),
      )
      expect([code, err, asked]).toEqual([0, expect.stringContaining('good'), ['GET /config/ 127.0.0.1:PORT']])
    }
  })

  test('no redirect is followed', async () => {
    const { asked, code, err, wrote } = await asks(
      () => Response.redirect('/other', 302),
      port => `localhost:${port}`,
    )
    expect([code, wrote, asked]).toEqual([1, false, ['GET /config/ 127.0.0.1:PORT']])
    expect(err).toContain('answers 302')
  })

  test('no proxy of the environment is used', async () => {
    const used: string[] = []
    await using proxy = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        used.push(request.url)
        return new Response('{}')
      },
    })
    const before = process.env.http_proxy
    process.env.http_proxy = `http://127.0.0.1:${proxy.port}`
    try {
      const { code } = await asks(
        () => new Response(PLAIN_JSON),
        port => `http://localhost:${port}`,
      )
      expect([code, used]).toEqual([0, []])
    } finally {
      if (before === undefined) delete process.env.http_proxy
      else process.env.http_proxy = before
    }
  })

  test.each([
    ['null', () => new Response('null'), 'no configuration loaded'],
    ['what is no JSON', () => new Response('<html>'), 'is no JSON'],
    ['403', () => new Response('{}', { status: 403 }), 'the "origins" of its admin API do not list this address'],
    ['404', () => new Response('', { status: 404 }), 'is this its port?'],
    ['a coding', () => new Response('x', { headers: { 'content-encoding': 'gzip' } }), 'is compressed'],
    ['more than 50 MB', () => new Response(new Uint8Array(50 * 1024 * 1024 + 1)), 'is longer than 52428800 bytes'],
  ] as const)('%s is said, and nothing is made of it', async (_, answer, said) => {
    const { code, err, wrote } = await asks(answer, port => `http://localhost:${port}`)
    expect([code, wrote, err]).toEqual([1, false, expect.stringContaining(said)])
  })

  test('one that does not answer is said to save what it runs with', async () => {
    const port = await freePort()
    const { code, err } = await refuses({}, `localhost:${port}`)
    expect(code).toBe(1)
    expect(err).toMatch(new RegExp(`^localhost:${port} does not answer \\((?:ECONNREFUSED|ConnectionRefused)\\): `))
    expect(err).toContain('docker exec caddy cat /config/caddy/autosave.json > caddy.json')
    expect(err).toContain('sudo cat /var/lib/caddy/.config/caddy/autosave.json > caddy.json')
  })
})

/** A program in the place of a Caddy with caddy-security, which says what was recorded. It leaves its arguments in `asked`. */
const RECORDED_CADDY = `#!/bin/sh
echo "$@" >> asked
for last; do :; done
echo '{"level":"warn","msg":"Caddyfile input is not formatted"}' >&2
if grep -q http_port "$last" && grep -q https:// "$last"; then cat ${RECORDED}/seed.adapt-error.txt >&2; exit 1; fi
cat ${RECORDED}/seed.adapted.json
`
/** grep would take what comes by standard input, and leave nothing of it. */
const RECORDED_ELSEWHERE = RECORDED_CADDY.replace('for last; do :; done', 'last=copy; cat > copy')

describe('a Caddyfile, by what a Caddy says of it', () => {
  const seed = recorded('seed.Caddyfile')

  test('the line of the documentation that no Caddy takes is left out of a copy, and that is said', async () => {
    for (const program of [RECORDED_CADDY, RECORDED_ELSEWHERE]) {
      const name = program === RECORDED_CADDY ? './caddy' : './docker exec -i caddy caddy'
      const files = { Caddyfile: seed, 'caddy*': program, 'docker*': program }
      const { err, wrote } = await imports(files, 'Caddyfile', '--caddy', name)
      expect(wrote).toBe(true)
      const at = seed.split('\n').findIndex(line => line.includes('http_port')) + 1
      expect(err).toMatch(new RegExp(`line ${at} {2}http_port 443: Caddy itself refuses the file with it`))
      expect(err).not.toContain('not formatted')
    }
  })

  test('a Caddy among the same files gets the path, and one elsewhere the text', async () => {
    using folder = temporaryFolder()
    const caddyfile = recorded('seed-noport.Caddyfile')
    writeFileSync(join(folder.path, 'Caddyfile'), caddyfile)
    for (const [name, program] of Object.entries({ caddy: RECORDED_CADDY, docker: RECORDED_ELSEWHERE })) {
      writeFileSync(join(folder.path, name), program, { mode: 0o755 })
    }
    for (const command of ['./caddy', 'env ./caddy', './docker exec -i "my caddy" caddy']) {
      await runIn(folder.path, io => runImport(['Caddyfile', '--caddy', command], io))
    }
    expect(readFileSync(join(folder.path, 'asked'), 'utf8').trimEnd().split('\n')).toEqual([
      `adapt --adapter caddyfile --config ${folder.path}/Caddyfile`,
      `adapt --adapter caddyfile --config ${folder.path}/Caddyfile`,
      'exec -i my caddy caddy adapt --adapter caddyfile --config /dev/stdin',
    ])
    expect(readFileSync(join(folder.path, 'copy'), 'utf8')).toBe(caddyfile)
  })

  test('without a Caddy nothing is made of it, and three commands say how to get one to read it', async () => {
    const { code, err } = await refuses({ Caddyfile: seed }, 'Caddyfile')
    expect(code).toBe(2)
    expect(err).toStartWith('Caddyfile is a Caddyfile, and only Caddy can read it: there is no caddy on the PATH.')
    for (const where of [
      'Docker:     docker exec caddy caddy adapt',
      'Debian:     sudo cat',
      'own build:  ./caddy adapt',
    ]) {
      expect(err).toContain(`\n  ${where}`)
    }
    expect(err).toContain('--caddy "docker exec -i caddy caddy"')
  })

  test('no shell reads the command', async () => {
    const files = { Caddyfile: PLAIN, 'caddy*': '#!/bin/sh\nprintf "%s\\n" "$@" > asked\necho "{}"' }
    using folder = temporaryFolder()
    writeFileSync(join(folder.path, 'Caddyfile'), PLAIN)
    writeFileSync(join(folder.path, 'caddy'), files['caddy*'], { mode: 0o755 })
    await runIn(folder.path, io =>
      runImport(['Caddyfile', '--caddy', './caddy $(touch a) ; touch b `touch c` > d'], io),
    )
    expect(['a', 'b', 'c', 'd'].filter(name => existsSync(join(folder.path, name)))).toEqual([])
    expect(readFileSync(join(folder.path, 'asked'), 'utf8')).toStartWith('$(touch\na)\n;\ntouch\nb\n`touch\nc`\n>\nd\n')
  })

  test('what Caddy says of a mistake is shown without what the file keeps secret', async () => {
    const secrets = 'client_secret hunter\n\tcrypto key sign-verify 01ee2688\n\tapi_token "lowercase"'
    const text = `{\n\t${secrets}\n}\nhttps://a.example.test {\n\trespond {$TOKEN}\n}\n`
    const message =
      "Error: Caddyfile:2 - wrong argument 'hunter' or 01ee2688 or lowercase in client_secret of https://a.example.test"
    const { code, err } = await refuses(
      { Caddyfile: text, 'caddy*': `#!/bin/sh\necho "first" >&2\necho "${message}" >&2\nexit 1` },
      'Caddyfile',
      '--caddy',
      './caddy',
    )
    expect(code).toBe(1)
    expect(err).toBe(
      "Caddy does not take Caddyfile: Error: Caddyfile:2 - wrong argument '…' or … or … in client_secret of https://a.example.test\n",
    )
  })

  test.each([
    ['./flood', 1, './flood has written more than 50 MB, and was ended: Caddyfile is not read'],
    ['/nowhere/caddy', 2, '/nowhere/caddy cannot be run (ENOENT): see what --caddy names'],
    ['""', 2, '--caddy names no command'],
    ['/bin/true', 1, 'Caddy does not take Caddyfile: exit code 0'],
    ['./docker exec caddy caddy', 1, 'nothing of the file has reached it: docker exec needs -i'],
  ])('%s makes nothing', async (command, code, said) => {
    const made = await refuses(
      {
        Caddyfile: PLAIN,
        'docker*': '#!/bin/sh\necho "Error: EOF" >&2; exit 1',
        'flood*': '#!/bin/sh\nexec yes',
      },
      'Caddyfile',
      '--caddy',
      command,
    )
    expect([made.code, made.err]).toEqual([code, expect.stringContaining(said)])
  })
})

{
  const { describe, test } = needs('caddy')
  describe('a Caddyfile, by the real Caddy', () => {
    const caddy = Bun.which('caddy') ?? 'caddy'

    test('what it imports is read along with it', async () => {
      const files = { Caddyfile: 'import sites/*\n', 'sites/a': ':8080 {\n\trespond /hi hi\n}\n' }
      for (const command of [caddy, `env X=1 ${caddy}`]) {
        const { code, err, wrote } = await imports(files, 'Caddyfile', '--caddy', command)
        expect([code, wrote, err]).toEqual([0, true, expect.stringContaining('good')])
      }
    })

    test('where it comes by standard input, a relative import is said to be looked for elsewhere', async () => {
      const files = { Caddyfile: 'import other.conf\n', 'docker*': `#!/bin/sh\nshift 3\nexec ${caddy} "$@"` }
      const { code, err } = await refuses(files, 'Caddyfile', '--caddy', './docker exec -i caddy')
      expect(code).toBe(1)
      expect(err).toContain('File to import not found')
      expect(err).toContain("a relative import is looked for in that program's own folder")
    })

    test('one that has been built without caddy-security says so, and how to ask the right one', async () => {
      for (const name of ['c02-acl.Caddyfile', 'shapes-security.Caddyfile', 'seed.Caddyfile']) {
        const { code, err } = await refuses({ Caddyfile: recorded(name) }, 'Caddyfile', '--caddy', caddy)
        expect(code).toBe(1)
        expect(err).toContain('this Caddy was built without caddy-security, and cannot read Caddyfile')
        expect(err).toContain('\n  Docker:     docker exec caddy caddy adapt --adapter caddyfile --config')
        expect(err).toContain('\n  Debian:     sudo cat /var/lib/caddy/.config/caddy/autosave.json > caddy.json')
        expect(err).toContain('\n  own build:  ./caddy adapt --adapter caddyfile --config Caddyfile > caddy.json')
      }
    })

    test('it refuses http_port beside https://, and takes the copy without', async () => {
      const text = '{\n\thttp_port 443 # ours\n}\nhttps://a.example.test {\n\trespond hi\n}\n'
      const { code, err, wrote } = await imports({ Caddyfile: text }, 'Caddyfile', '--caddy', caddy)
      expect([code, wrote]).toEqual([0, true])
      expect(err).toContain('line 2  http_port 443: Caddy itself refuses the file with it')
    })

    describe('that runs', () => {
      const folder = temporaryFolder()
      let child: Bun.Subprocess | null = null
      let port = 0
      beforeAll(async () => {
        port = await freePort()
        const http = await freePort()
        const text = `{\n\tadmin localhost:${port}\n}\n:${http} {\n\trespond /hi hi\n\trespond no 404\n}\n`
        writeFileSync(join(folder.path, 'Caddyfile'), text)
        const env = { ...process.env, HOME: folder.path, XDG_CONFIG_HOME: folder.path, XDG_DATA_HOME: folder.path }
        const command = [caddy, 'run', '--adapter', 'caddyfile', '--config', join(folder.path, 'Caddyfile')]
        child = Bun.spawn(command, { env, stdout: 'ignore', stderr: 'ignore' })
        await eventually(() => existsSync(join(folder.path, 'caddy/autosave.json')), 'Caddy saves what it runs with')
      })
      afterAll(async () => {
        child?.kill()
        await child?.exited
        folder[Symbol.dispose]()
      })

      test('its API, its autosave.json and its Caddyfile come to the same', async () => {
        const made = await Promise.all(
          [[`http://localhost:${port}`], ['caddy/autosave.json'], ['Caddyfile', '--caddy', caddy]].map(argv =>
            runIn(folder.path, io => runImport(argv, io)),
          ),
        )
        const files = made.map(({ code, out }) => [code, out.split('\n').slice(1).join('\n')])
        expect(files[0]?.[1]).toContain('[[routes]]')
        expect(files[1]).toEqual(files[0])
        expect(files[2]).toEqual(files[0])
      })
    })
  })
}
