import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCheck } from '../../src/cli/check.ts'
import { MAX_FILE_BYTES } from '../../src/console/read-file.ts'
import { quietPorts } from '../kit/clock.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { compiledBinary } from '../kit/programs/binary.ts'

const GOOD = '[[routes]]\nhost = "a.example"\nrespond = { body = "hi" }\nallow = "public"\n'

const folder = temporaryFolder()
beforeAll(() => {
  const write = (name: string, content: string | Uint8Array) => writeFileSync(join(folder.path, name), content)
  write('good.toml', GOOD)
  write('bom.toml', `\uFEFF${GOOD}`)
  write('crlf.toml', GOOD.replaceAll('\n', '\r\n'))
  write('latin1.toml', Buffer.from(`# Büro\n${GOOD}`, 'latin1'))
  write('utf16.toml', Buffer.from(`\uFEFF${GOOD}`, 'utf16le'))
  write(
    'binary.toml',
    Uint8Array.from({ length: 10_000 }, (_, index) => (index * 7919) % 256),
  )
  write('empty.toml', '')
  write('comment.toml', '# nothing yet\n')
  write('long.toml', `${GOOD}# ${'x'.repeat(MAX_FILE_BYTES)}`)
  write('many.toml', '[[routes]]\nhst = "x"\n'.repeat(500))
  mkdirSync(join(folder.path, 'folder.toml'))
  symlinkSync('loop.toml', join(folder.path, 'loop.toml'))
  symlinkSync('/dev/zero', join(folder.path, 'zero.toml'))
  expect(Bun.spawnSync(['mkfifo', join(folder.path, 'pipe.toml')]).exitCode).toBe(0)
})
afterAll(() => folder[Symbol.dispose]())

const check = (name: string) =>
  runIn(folder.path, io => runCheck([name], io, { ...io, ...quietPorts({ now: Date.now }) }))

describe('sallyport check', () => {
  test.each(['good', 'bom', 'crlf'])('takes %s.toml as it is', async name => {
    expect(await check(`${name}.toml`)).toMatchObject({ code: 0, err: '' })
  })

  test.each([
    ['latin1', /not UTF-8[\s\S]*latin1\.toml:1:4[\s\S]*save the file as UTF-8/],
    ['utf16', /not UTF-8[\s\S]*utf16\.toml:1:1/],
    ['binary', /not UTF-8/],
    ['empty', /no routes[\s\S]*add one/],
    ['comment', /no routes/],
    ['folder', /folder\.toml is a folder/],
    ['loop', /loop\.toml is a symbolic link to itself/],
    ['long', /long\.toml is longer than 16 MB/],
    ['zero', /zero\.toml is a device, not a file/],
    ['pipe', /pipe\.toml is a pipe, not a file/],
    ['missing', /missing\.toml does not exist/],
  ])('says in plain words what is wrong with %s.toml, and exits 1', async (name, words) => {
    const { code, out, err } = await check(`${name}.toml`)
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(words)
    expect(err.match(/^error/gm)).toHaveLength(1)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what would drive a terminal
    expect(err).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/)
  })

  test.each([
    ['pipe.toml', 'is a pipe, not a file'],
    ['/dev/zero', 'is a device, not a file'],
  ])('waits for no ${file:%s}, nor for one that another key names', async (path, words) => {
    const name = `names-${path.replaceAll('/', '-')}.toml`
    writeFileSync(
      join(folder.path, name),
      `[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\nclient_secret = "\${file:${path}}"\n[[routes]]\nhost = "a.example"\nupstream = { to = "https://app", tls = { ca = "${path}" } }\nallow = "public"\n`,
    )
    const { code, err } = await check(name)
    expect(code).toBe(1)
    expect(err.split(words)).toHaveLength(3)
  })

  test('reads a pipe that whoever started it holds open', async () => {
    const line = `exec "$@" <(cat good.toml)`
    const command = ['bash', '-c', line, 'bash', await compiledBinary(), 'check']
    const child = Bun.spawn(command, { cwd: folder.path, stdout: 'pipe', stderr: 'pipe', stdin: 'ignore' })
    const err = await new Response(child.stderr).text()
    expect([await child.exited, err]).toEqual([0, ''])
  })

  test('shows the first hundred of very many mistakes, and counts them all', async () => {
    const { code, err } = await check('many.toml')
    expect(code).toBe(1)
    expect(err.match(/^error/gm)).toHaveLength(100)
    expect(err).toMatch(/… and \d{3,} more\n\n\d{4} mistakes in many\.toml\n$/)
  })
})

describe('the program', () => {
  async function run(line: string) {
    const command = [await compiledBinary(), ...line.split(' ')]
    const child = Bun.spawn(command, { cwd: folder.path, stdout: 'pipe', stderr: 'pipe', stdin: 'ignore' })
    const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()]
    const [out = '', err = ''] = await Promise.all(texts)
    return { code: await child.exited, out, err }
  }

  test.each([
    '--help',
    '-h',
    'serve --help',
    'serve -h',
    'check -h',
    'tokens -h',
    'explain -h',
    'health -h',
    'demo -h',
  ])('explains itself: %s', async line => {
    const { code, out, err } = await run(line)
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('sallyport')
    // Nothing here is a terminal.
    expect(out).not.toContain('\x1b')
  })

  test.each([
    'chekc',
    'serve one two',
    '--prot 80',
    'check --bad',
    'explain',
    'sessions',
    'tokens make',
    'health nonsense',
  ])('exits 2 for %s, and says why on standard error', async line => {
    const { code, out, err } = await run(line)
    expect([code, out]).toEqual([2, ''])
    expect(err.split('\n')[0]?.length).toBeGreaterThan(5)
  })

  test('does not start with a file that cannot be one, and says so once', async () => {
    for (const name of ['folder', 'long', 'utf16', 'empty', 'missing']) {
      const { code, out, err } = await run(`serve --config ${name}.toml`)
      expect([name, code, out, err.match(/^error/gm)?.length]).toEqual([name, 1, '', 1])
    }
  }, 300_000)
})
