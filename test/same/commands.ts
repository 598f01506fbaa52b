/** What a program says of itself, and of files, without serving any: its commands, and the names and texts that are in it. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type Given, plain } from './plain.ts'

const ROOT = resolve(import.meta.dir, '../..')

export interface Section {
  readonly name: string
  readonly text: string
}

/** Everything that its commands say. */
export async function commandSections(program: string, folder: string): Promise<readonly Section[]> {
  const files = writeExamples(folder)
  const topics = namesIn(await run(program, folder, ['help']))
  const documented = [...readFileSync(join(ROOT, 'docs/errors.md'), 'utf8').matchAll(/^\| `([\w.-]+)`/gm)]
  const codes = documented.map(([, code = '']) => code)
  const asked = [
    ['schema'],
    ['help'],
    ...topics.flatMap(name => [['help', name]]),
    ...codes.filter((_, index) => index % 10 === 0).map(code => ['help', code]),
    ...['routes.upstream', 'keep_posts', 'sallyport_requests_total', 'nothing-of-it'].map(name => ['help', name]),
    ...topics.filter(name => /^[a-z-]+$/.test(name)).map(name => [name, '--no-such-option']),
    ...files.flatMap((file, index) => [
      index % 4 === 0 ? ['check', file, '--json'] : ['check', file],
      ...explained(file, readFileSync(join(folder, file), 'utf8')),
    ]),
  ]
  return inTurns(asked, 3, async argv => ({
    name: `$ sallyport ${argv.join(' ')}`,
    text: await run(program, folder, argv),
  }))
}

/** Every name with dots in an executable: error codes, events, keys. And every metric. */
export function nameSections(program: string): readonly Section[] {
  const text = readFileSync(program).toString('latin1')
  const found = (pattern: RegExp) =>
    [...new Set([...text.matchAll(pattern)].map(([, name = '']) => name))].sort().join('\n')
  return [
    { name: 'names in the program', text: found(/["'`]([a-z][a-z_0-9-]*(?:\.[a-z_0-9-]+)+)["'`]/g) },
    { name: 'metrics in the program', text: found(/(sallyport_[a-z_]+)/g) },
  ]
}

/** Files to check: the recorded ones, the applications' recipes, and each example of the documents, alone and behind a portal. */
function writeExamples(folder: string): readonly string[] {
  const names: string[] = []
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    names.push(name)
  }
  for (const path of ['test/golden/config/syntax.toml', 'test/golden/config/frames.toml']) {
    write(basename(path), readFileSync(join(ROOT, path), 'utf8'))
  }
  const services = join(ROOT, 'docs/recipes/services')
  for (const name of readdirSync(services).sort()) write(name, PORTAL + readFileSync(join(services, name), 'utf8'))
  const documents = readdirSync(join(ROOT, 'docs'))
    .filter(name => name.endsWith('.md'))
    .sort()
  for (const path of ['README.md', ...documents.map(name => join('docs', name))]) {
    const blocks = [...readFileSync(join(ROOT, path), 'utf8').matchAll(/^```toml\n(.*?)^```/gms)]
    for (const [index, [, text = '']] of blocks.entries()) {
      const name = `${basename(path, '.md')}-${index + 1}.toml`
      write(name, text)
      if (/^\[\[routes\]\]/m.test(text) && !/^\[portals/m.test(text)) write(`portal-${name}`, PORTAL + text)
    }
  }
  if (!existsSync(join(folder, 'home'))) mkdirSync(join(folder, 'home'))
  return names
}

const PORTAL = `[providers.pocket-id]
issuer = "https://id.example.com"
client_id = "sallyport"
client_secret = "a secret of nobody"

[portals.home]
url = "https://auth.example.com"
providers = ["pocket-id"]
[portals.home.roles]
user = { any = true }
admin = { groups = ["admins"] }

`

/** What the file's first host leads to, for nobody and for an admin in turns. */
function explained(file: string, toml: string): readonly (readonly string[])[] {
  const host = /^host = \[?"([^"*]+)"/m.exec(toml)?.[1]
  if (host === undefined) return []
  const asked = ['explain', `https://${host}/`, '--config', file, '--at', '2026-01-05T12:00:00Z', '--ip', '203.0.113.9']
  return [file.startsWith('portal-') ? asked : [...asked, '--as', 'sub=ada,groups=admins', '--json']]
}

/** Commands and chapters of the list that `help` shows. */
function namesIn(help: string): readonly string[] {
  const lines = [...help.matchAll(/^ {2}\[?([a-z][a-z-]*)/gm)]
  return [...new Set(lines.map(([, name = '']) => name))]
}

/** What a command says, and its exit code. */
async function run(program: string, folder: string, argv: readonly string[]): Promise<string> {
  const env = { PATH: '/usr/bin:/bin', HOME: join(folder, 'home'), TZ: 'UTC', NO_COLOR: '1' }
  const child = Bun.spawn([program, ...argv], { cwd: folder, env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  const given: Given = new Map([[folder, '(folder)']])
  // Examples have times and ids of their own, which no chance made.
  const said = out.replaceAll(folder, '(folder)')
  return `${said}${err === '' ? '' : `\n! ${plain(err, given)}`}\n= ${code}`
}

async function inTurns<Asked, Made>(
  asked: readonly Asked[],
  width: number,
  make: (one: Asked) => Promise<Made>,
): Promise<readonly Made[]> {
  const made: Made[] = []
  let next = 0
  const turn = async () => {
    for (let index = next++; index < asked.length; index = next++) {
      const one = asked[index]
      if (one !== undefined) made[index] = await make(one)
    }
  }
  await Promise.all(Array.from({ length: width }, turn))
  return made
}
