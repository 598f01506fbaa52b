import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { COMMANDS } from '../../../src/cli/help/commands.ts'
import { renderChapter } from '../../../src/cli/help/run.ts'
import { RECIPES, TOPICS } from '../../../src/cli/help/topics.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PROGRAMS } from '../../kit/programs/child.ts'

const DOCS = join(import.meta.dir, '../../../docs')
const chapter = (name: string) => readFileSync(join(DOCS, name), 'utf8')

describe('a chapter for a terminal', () => {
  const MARKDOWN = `# Title

Some \`code\` and **weight**, [elsewhere](other-one.md#place), [here](#place),
[outside](https://example.com/), [a file](recipes/nginx.conf), [one](recipes/services/n8n.toml).

<!-- mark -->

## Place

- one
  and its second line
- two

\`\`\`toml
[server]      # ${'long '.repeat(30)}
\`\`\`

| key | type |
|---|---|
| \`a\` | a text |
`

  test('has its headings underlined, its links as words and its code as it is, without any escape', () => {
    expect(renderChapter(MARKDOWN, false)).toBe(`Title
=====

Some \`code\` and weight, elsewhere (sallyport help other-one), here, outside
(https://example.com/), a file (sallyport help recipes/nginx.conf), one
(sallyport recipe n8n).

Place
-----

- one and its second line
- two

    [server]      # ${'long '.repeat(30).trimEnd()}

key  type
\`a\`  a text
`)
  })

  test('has bold headings where there are colours', () => {
    const text = renderChapter(MARKDOWN, true)
    expect(text).toStartWith('\x1b[1mTitle\x1b[22m\n\nSome `code` and \x1b[1mweight\x1b[22m, elsewhere')
    expect(text).toContain('\n\n\x1b[1mPlace\x1b[22m\n\n- one')
  })

  test('makes a list of a table that is too wide, each cell by its heading', () => {
    const wide = `| key | type | meaning |\n|---|---|---|\n| \`a\` | | ${'word '.repeat(20)}|\n| \`b\` | t | one \\| two |\n`
    expect(renderChapter(wide, false)).toBe(`\`a\`
    ${'word '.repeat(15).trimEnd()}
    ${'word '.repeat(5).trimEnd()}

\`b\`
    type: t
    meaning: one | two
`)
  })

  test('keeps within 80 columns, but for code, in every chapter', () => {
    for (const { name, path } of TOPICS) {
      const lines = renderChapter(readFileSync(path, 'utf8'), false).split('\n')
      const wide = lines.filter(
        line => Bun.stringWidth(line) > 80 && line.trim().includes(' ') && !line.startsWith('    '),
      )
      expect([name, wide]).toEqual([name, []])
    }
  })
})

test('every chapter and recipe of docs is a topic, by its own name', () => {
  const chapters = readdirSync(DOCS).filter(name => name.endsWith('.md'))
  expect(TOPICS.map(({ name }) => name).sort()).toEqual(chapters.map(name => name.slice(0, -3).toLowerCase()).sort())
  const recipes = ['recipes', 'monitoring', 'logs', 'kubernetes']
    .flatMap(folder => readdirSync(join(DOCS, folder), { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(DOCS.length + 1))
  expect([...RECIPES.keys()].sort()).toEqual([...recipes, 'compose.yaml'].sort())
})

describe.each(PROGRAMS)('sallyport help of %s', (kind, program) => {
  // The sources read the files of docs themselves and parse the same words, so that a few stand for all: each takes them half a second.
  const some = <T>(all: readonly T[]): readonly T[] => (kind === 'the executable' ? all : all.slice(0, 2))

  let folder: ReturnType<typeof temporaryFolder>
  let command: readonly string[]
  beforeAll(async () => {
    folder = temporaryFolder()
    command = await program()
  })
  afterAll(() => folder[Symbol.dispose]())

  /** Runs it in an empty folder, where nothing is a terminal, and sees that the folder stays empty. */
  async function sallyport(...args: string[]) {
    const { FORCE_COLOR: _, ...env } = process.env
    const child = Bun.spawn([...command, ...args], {
      cwd: folder.path,
      env,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    expect(readdirSync(folder.path)).toEqual([])
    return { code: await child.exited, out, err }
  }

  test('lists all commands and chapters, a line each', async () => {
    const { code, out, err } = await sallyport('help')
    expect([code, err]).toEqual([0, ''])
    for (const { call, about } of COMMANDS)
      expect(out).toMatch(new RegExp(`^ {2}${RegExp.escape(call)} +${RegExp.escape(about)}$`, 'm'))
    for (const { name, about } of TOPICS)
      expect(out).toMatch(new RegExp(`^ {2}${RegExp.escape(name)}\\s+${RegExp.escape(about)}$`, 'm'))
    expect(await sallyport('--help')).toEqual({ code, out, err })
    expect(out.split('\n').filter(line => Bun.stringWidth(line) > 80)).toEqual([])
  })

  test.each(some(TOPICS.map(({ name, path }) => [name, path] as const)))(
    'shows the chapter %s as docs has it',
    async (name, path) => {
      const { code, out, err } = await sallyport('help', name)
      expect([code, err]).toEqual([0, ''])
      expect(out).toBe(renderChapter(readFileSync(path, 'utf8'), false))
    },
  )

  test('shows a recipe byte for byte, and takes a chapter by the name of its file', async () => {
    expect((await sallyport('help', 'recipes/nginx.conf')).out).toBe(chapter('recipes/nginx.conf'))
    expect((await sallyport('help', 'SECURITY.md')).out).toBe(renderChapter(chapter('SECURITY.md'), false))
  })

  test('names what to begin with, alone in an empty folder', async () => {
    const { code, out, err } = await sallyport()
    expect([code, out]).toEqual([2, ''])
    expect(err).toStartWith('There is no routes.toml in this folder yet.')
    const named = [...err.matchAll(/^ {2}sallyport (\w+)/gm)].map(([, name]) => name)
    expect(named).toEqual(['demo', 'init', 'import', 'serve', 'help'])
    expect(err.split('\n').filter(line => Bun.stringWidth(line) > 80)).toEqual([])
  })

  test.each(
    some([
      { args: ['serve', 'my.toml'], file: 'my.toml' },
      { args: ['serve', '--config', 'my.toml'], file: 'my.toml' },
      { args: ['--config', 'my.toml'], file: 'my.toml' },
      { args: ['serve'], file: 'routes.toml' },
    ]),
  )('says of $args that the file is not there, with exit code 1', async ({ args, file }) => {
    const { code, err } = await sallyport(...args)
    expect(code).toBe(1)
    expect(err).toContain(`/${file} does not exist`)
    expect(err).toContain('sallyport init writes a first one')
  })

  test.each(some(COMMANDS.map(({ name }) => name)))('shows the help of %s, as the command itself does', async name => {
    const shown = await sallyport('help', name)
    // But for a command, which is there to be copied.
    const wide = shown.out.split('\n').filter(line => Bun.stringWidth(line) > 80 && !/ sallyport .* > /.test(line))
    expect(wide).toEqual([])
    expect([shown.code, shown.err]).toEqual([0, ''])
    expect(shown.out).toMatch(new RegExp(`^(?:usage: )?sallyport \\[?${name}\\b`, 'i'))
    expect(await sallyport(name, '--help')).toEqual(shown)
  })

  test.each([
    ['keep_posts', /^`\[\[routes\]\]`\n-+\n\n`keep_posts`\n {4}type: size[\s\S]* {4}meaning: /],
    ['upstream.timeout', /^upstream\n-+\n\n`upstream.timeout`\n {4}status: 504\n[\s\S]* {4}what to do: /],
    ['sallyport_denied_total', /^`\/metrics`\n-+\n\n[\s\S]*`sallyport_denied_total`/],
  ])('looks %s up', async (name, wanted) => {
    const { code, out, err } = await sallyport('help', name)
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(wanted)
    expect(out.split('\n').length).toBeLessThan(20)
  })

  test.each(
    some<[words: string, codes: string[]]>([
      ['redirect_uri mismatch', ['provider.request']],
      ['502 Bad Gateway', ['upstream.refused', 'upstream.untrusted', 'upstream.broken']],
      ['invalid_client', ['provider.token']],
      ['CSRF verification failed', ['access.origin']],
      ['ERR_TOO_MANY_REDIRECTS', ['sign_in.loop']],
      ['connect ECONNREFUSED 127.0.0.1:3000', ['upstream.refused']],
    ]),
  )('leads from "%s", as other programs word it, to what it is here', async (words, codes) => {
    const shown = await sallyport('help', words)
    expect([shown.code, shown.err]).toEqual([0, ''])
    expect([...shown.out.matchAll(/^`([a-z_]+\.[a-z_]+)`$/gm)].map(([, code]) => code)).toEqual(codes)
    expect(await sallyport('help', ...words.split(' '))).toEqual(shown)
  })

  test.each([
    ['public', 'Routes and rules'],
    ['guest', 'Tokens, passwords and guests'],
    ['2FA', 'Signing in and out'],
    ['letsencrypt', 'HTTPS'],
    ['backend', '`upstream`'],
  ])('leads from %s, which other programs say, to what it is called here', async (word, shown) => {
    const { code, out } = await sallyport('help', word)
    expect([code, out.includes(shown) || out.slice(0, 300)]).toEqual([0, true])
  })

  test('tells of a name in each table that has it', async () => {
    const { out } = await sallyport('help', 'lifetime')
    expect(out.match(/^`lifetime`$/gm)).toHaveLength(2)
    expect(out).toContain('`[sessions]`\n')
    expect(out).toContain('`[portals.NAME]`\n')
  })

  test.each(
    some<[args: string[], said: string]>([
      [['help', 'keep_post'], 'there is no command or chapter "keep_post": did you mean "keep_posts"?\n'],
      [['help', 'limts'], 'there is no command or chapter "limts": did you mean "limits"?\n'],
      [['help', 'behind'], 'there is no command or chapter "behind": did you mean "behind-a-proxy"?\n'],
      [['help', 'nginx'], 'there is no command or chapter "nginx": did you mean "recipes/nginx.conf"?\n'],
      [['help', 'qqqq'], 'there is no command or chapter "qqqq": "sallyport help" lists what there is\n'],
      [['chekc'], 'sallyport has no command "chekc": did you mean "check"?\n'],
      [['validate'], 'sallyport has no command "validate": did you mean "check"?\n'],
      [['my.toml'], 'sallyport has no command "my.toml": did you mean "serve my.toml"?\n'],
      [['limits'], 'sallyport has no command "limits": did you mean "help limits"?\n'],
      [
        ['serve', '--confg', 'x'],
        'Unknown option \'--confg\': did you mean "--config"?\nusage: sallyport [serve] [routes.toml]\n',
      ],
      [
        ['serve', 'a.toml', '--config', 'b.toml'],
        '"a.toml" and --config b.toml: name one file\nusage: sallyport [serve] [routes.toml]\n',
      ],
    ]),
  )('says of %j what was probably meant', async (args, said) => {
    expect(await sallyport(...args)).toEqual({ code: 2, out: '', err: said })
  })
})
