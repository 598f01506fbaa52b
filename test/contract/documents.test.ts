import { expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { EVENT_NAMES } from '../../src/audit/events.ts'
import { CODES } from '../../src/base/errors.ts'
import { COMMANDS } from '../../src/cli/help/commands.ts'
import { TOPICS } from '../../src/cli/help/topics.ts'
import { ENDPOINTS } from '../../src/portal/endpoints.ts'

const ROOT = join(import.meta.dir, '../..')
const README = 'README.md'
const CHAPTERS = readdirSync(join(ROOT, 'docs')).filter(name => name.endsWith('.md'))
const DOCUMENTS = [README, ...CHAPTERS.map(name => `docs/${name}`)]
const WIDTH = 110
const MAX_PICTURE_BYTES = 150_000

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

/** A chapter's name in the folder: some are spelled as other projects spell them. */
const fileOf = (topic: string) => CHAPTERS.find(name => name.toLowerCase() === `${topic}.md`)?.slice(0, -3) ?? topic

/** The lines of a document that are not in a fence, with their numbers from 1. */
function proseOf(path: string): readonly Readonly<{ number: number; line: string }>[] {
  let isFenced = false
  return read(path)
    .split('\n')
    .map((line, index) => ({ number: index + 1, line }))
    .filter(({ line }) => {
      if (line.startsWith('```')) isFenced = !isFenced
      return !isFenced && !line.startsWith('```')
    })
}

/** What a heading is called in an address, as GitHub makes it: of two alike the second ends in `-1`. */
function anchorsOf(path: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const { line } of proseOf(path)) {
    const heading = /^#{1,6} (.+)$/.exec(line)?.[1]
    if (heading === undefined) continue
    const plain = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-')
    let anchor = plain
    for (let again = 1; anchors.has(anchor); again++) anchor = `${plain}-${again}`
    anchors.add(anchor)
  }
  return anchors
}

/** Every link of a document but those to other sites. A link may go over the end of a line. */
function linksOf(path: string): readonly string[] {
  const text = proseOf(path)
    .map(({ line }) => line)
    .join('\n')
    .replace(/`[^`]*`/g, '')
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  return targets.filter(target => !/^[a-z]+:/.test(target))
}

/** Where a link leads to nothing: no such file, or no such heading in it. */
function brokenIn(path: string): readonly string[] {
  return linksOf(path).filter(link => {
    const [file = '', anchor] = link.split('#')
    const target = file === '' ? path : relative(ROOT, join(ROOT, dirname(path), file))
    if (target.startsWith('..') || !existsSync(join(ROOT, target))) return true
    return anchor !== undefined && !(target.endsWith('.md') && anchorsOf(target).has(anchor))
  })
}

for (const path of [...DOCUMENTS, 'ARCHITECTURE.md']) {
  test(`every link in ${path} leads somewhere`, () => {
    expect(brokenIn(path)).toEqual([])
  })
}

for (const path of DOCUMENTS) {
  test(`no line of prose in ${path} is wider than ${WIDTH} columns`, () => {
    const wide = proseOf(path).filter(({ line }) => [...line].length > WIDTH)
    expect(wide.filter(({ line }) => !line.startsWith('|')).map(({ number, line }) => `${number}: ${line}`)).toEqual([])
  })
}

test('the README can be read at one go, and leads to every chapter', () => {
  expect(read(README).split('\n').length).toBeLessThanOrEqual(250)
  expect(CHAPTERS.filter(name => !linksOf(README).some(link => link.split('#')[0] === `docs/${name}`))).toEqual([])
})

test('ARCHITECTURE.md can be read at one go: what is long has a chapter', () => {
  expect(read('ARCHITECTURE.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200)
})

/** The files of a cell: `name`, `name`: `file`, `file`; … Files without a name are for all that has the prefix. */
function filesOf(cell: string): readonly { readonly names: readonly string[]; readonly files: readonly string[] }[] {
  const ticked = (text: string) => [...text.matchAll(/`([^`]+)`/g)].map(([, inner = '']) => inner)
  return cell.split('; ').map(part => {
    const at = part.lastIndexOf(': ')
    return { names: ticked(part.slice(0, Math.max(at, 0))), files: ticked(part.slice(at + 1)) }
  })
}

/** Which files ARCHITECTURE.md says that events (column 1) and errors (column 2) are in. */
function saidFiles(column: number) {
  const [, table = ''] = /^## Where events are noted.*?\n\|---.*?\n(.*?)\n\n/ms.exec(read('ARCHITECTURE.md')) ?? []
  return table.split('\n').flatMap(row => {
    const cells = row.split('|').slice(1, -1)
    const prefixes = [...(cells[0] ?? '').matchAll(/`(\w+)`/g)].map(([, prefix = '']) => prefix)
    return filesOf(cells[column]?.trim() ?? '').flatMap(({ names, files }) =>
      files.flatMap(file => (names.length === 0 ? [null] : names).map(name => ({ file, prefixes, name }))),
    )
  })
}

test.each([
  { column: 1, what: 'events', known: EVENT_NAMES },
  { column: 2, what: 'errors', known: Object.keys(CODES) },
])('ARCHITECTURE.md names files that have the $what which it says are there', ({ column, known }) => {
  const said = saidFiles(column)
  expect(said.length).toBeGreaterThan(10)
  const wrong = said.filter(({ file, prefixes, name }) => {
    const meant = known.filter(one =>
      prefixes.some(prefix => (name === null ? one.split('.')[0] === prefix : one === `${prefix}.${name}`)),
    )
    const text = read(`src/${file}`)
    return !meant.some(one => text.includes(`'${one}'`))
  })
  expect(wrong).toEqual([])
})

test('where an error is thrown that no file is called by, ARCHITECTURE.md says', () => {
  const said = saidFiles(2)
  const sources = [...new Bun.Glob('**/*.{ts,tsx}').scanSync(join(ROOT, 'src'))].map(file => ({
    file,
    thrown: new Set([...read(`src/${file}`).matchAll(/GateError\(\s*'([\w.]+)'/g)].map(([, code = '']) => code)),
  }))
  const lost = Object.keys(CODES).filter(code => {
    const [prefix = '', name = ''] = code.split('.')
    const files = sources.filter(({ thrown }) => thrown.has(code)).map(({ file }) => file)
    const [room = '', own = ''] = [prefix, name].map(word => word.replaceAll('_', '-'))
    const isCalledSo = (file: string) => basename(file).startsWith(own) || file.includes(room)
    const isSaid = said.some(
      one =>
        one.prefixes.includes(prefix) && (one.name ?? name) === name && read(`src/${one.file}`).includes(`'${code}'`),
    )
    return files.length > 0 && !isSaid && !files.some(isCalledSo)
  })
  expect(sources.filter(({ thrown }) => thrown.size > 0).length).toBeGreaterThan(50)
  expect(lost).toEqual([])
})

test('docs/SECURITY.md names every environment variable that changes what a file says', () => {
  const names = [...read('src/config/environment.ts').matchAll(/\benv\('([A-Z_]+)'\)/g)].map(([, name = '']) => name)
  expect(names).toContain('SALLYPORT_DATA')
  const text = read('docs/SECURITY.md')
  expect(names.filter(name => !text.includes(`\`${name}\``))).toEqual([])
})

test('what is unreleased can be read at one go by an operator', () => {
  const unreleased =
    read('CHANGELOG.md')
      .split(/^## /m)
      .find(part => part.startsWith('Unreleased')) ?? ''
  expect(unreleased).toContain('### Security')
  expect(unreleased.trimEnd().split('\n').length).toBeLessThanOrEqual(160)
})

test('the README tells of each chapter and command what `sallyport help` tells of it', () => {
  const rows = read(README).split('\n')
  const chapters = rows.flatMap(row => /^\| (.*\]\(docs\/[\w-]+\.md\).*) \| (.*) \|$/.exec(row)?.slice(1) ?? [])
  const linked = chapters.flatMap(cell => [...cell.matchAll(/\]\(docs\/([\w-]+)\.md\)/g)].map(([, name]) => name))
  expect(linked).toEqual(TOPICS.map(({ name }) => fileOf(name)))
  const alone = rows.flatMap(row => /^\| \[[^\]]+\]\(docs\/([\w-]+)\.md\) \| (.*) \|$/.exec(row)?.slice(1) ?? [])
  const apart = TOPICS.filter(({ name }) => alone.includes(fileOf(name)))
  expect(alone).toEqual(apart.flatMap(({ name, about }) => [fileOf(name), about]))
  expect(TOPICS.filter(topic => !apart.includes(topic)).every(({ name }) => name.startsWith('moving-in-from-'))).toBe(
    true,
  )
  const commands = rows.filter(row => row.startsWith('| `sallyport '))
  expect(COMMANDS.filter(({ name }) => !commands.some(row => row.includes(name))).map(({ name }) => name)).toEqual([])
  expect(commands.length).toBeGreaterThan(10)
})

test('the README has its pictures in light and dark, each small, with words for who cannot see it', () => {
  const text = read(README)
  const pictures = [
    ...text.matchAll(
      /<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(docs\/pictures\/([\w-]+)-dark\.png)">\s*<img src="(docs\/pictures\/\2-light\.png)" width="\d+" alt="[^"]{10,}">\s*<\/picture>/g,
    ),
  ]
  expect(pictures.map(([, , name]) => name)).toEqual(['portal', 'sign-in', 'admin', 'denied'])
  const files = pictures.flatMap(([, dark = '', , light = '']) => [dark, light])
  expect(text.match(/docs\/pictures\//g)).toHaveLength(files.length)
  expect(
    readdirSync(join(ROOT, 'docs/pictures'))
      .map(name => `docs/pictures/${name}`)
      .sort(),
  ).toEqual(files.sort())
  for (const file of files) {
    const bytes = readFileSync(join(ROOT, file))
    expect([file, bytes.subarray(0, 8).toString('latin1')]).toEqual([file, '\x89PNG\r\n\x1a\n'])
    expect([file, bytes.length]).toEqual([file, Math.min(bytes.length, MAX_PICTURE_BYTES)])
  }
})

test('docs/pages.md tells of every address of our own, and of none that is not there', () => {
  const rows = read('docs/pages.md')
    .split('\n')
    .filter(line => line.startsWith('| `/.sallyport/'))
  const told = rows.flatMap(row =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`\/\.sallyport\/([^`…]*)…?`/g)].map(([, page = '']) => page),
  )
  // The last two are of hosts without a portal too, so that they are not among the portal's.
  const others = ['icons/', 'fonts/', 'address']
  expect(told.sort()).toEqual([...ENDPOINTS.map(({ page }) => page), ...others].sort())
})

test('every chapter begins with its title and a sentence that says what it is about', () => {
  for (const name of CHAPTERS) {
    expect([name, read(`docs/${name}`).split('\n', 3)]).toEqual([
      name,
      [expect.stringMatching(/^# \S/), '', expect.stringMatching(/^[^#|`<\s-]|^`\w/)],
    ])
  }
})

/** Words of ours that no reader searches for. */
const DIALECT =
  /\b(?:whoever|whatever|whichever|wherever|whereof|anew|mend(?:ed|s)?|of ours|takes back|is to be had|put out|turned away|as it stands)\b/gi

/** How long the sentences of a text are, in words, and how many words of a dialect it has. */
function measured(paths: readonly string[]) {
  const texts = paths.map(path =>
    read(path)
      .replace(/^ *```[\s\S]*?^ *```$/gm, '\n\n')
      .replace(/<[^>]+>/g, ' ')
      .replace(/^\s*[|#].*$/gm, '')
      .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/`[^`]*`/g, 'code')
      .replace(/^\s*(?:[-*]|\d+\.) +/gm, '\n\n')
      .replaceAll('**', ''),
  )
  const lengths = texts
    .flatMap(text => text.split(/\n\s*\n/))
    .flatMap(paragraph => paragraph.replace(/\s+/g, ' ').split(/(?<=[.!?]) /))
    .map(sentence => sentence.split(' ').filter(word => /[a-z]/i.test(word)).length)
    .filter(count => count > 2)
  const words = lengths.reduce((sum, count) => sum + count, 0)
  return {
    mean: words / lengths.length,
    long: lengths.filter(count => count > 30).length / lengths.length,
    dialect: texts.flatMap(text => text.match(DIALECT) ?? []),
    words,
  }
}

test('a sentence of the documents has 15 words, and one in seventeen more than thirty', () => {
  const all = measured(DOCUMENTS)
  expect([all.mean <= 15 || all.mean, all.long <= 0.06 || all.long]).toEqual([true, true])
  expect(all.dialect.length <= all.words / 1000 || all.dialect).toBe(true)
})

// The references are tables, with hardly a sentence.
test.each(DOCUMENTS.filter(path => !/errors|keys/.test(path)))('%s is easy to read', path => {
  const most = /README|getting-started/.test(path) ? 14 : 16
  const { mean, long } = measured([path])
  expect([mean <= most || mean, long <= 0.08 || long]).toEqual([true, true])
})
