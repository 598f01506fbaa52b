import { describe, expect, test } from 'bun:test'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runUser } from '../../../src/cli/user/user.ts'
import { readUsers } from '../../../src/config/values/users-file.ts'
import type { Terminal } from '../../../src/console/terminal.ts'
import { verifyPassword } from '../../../src/identity/passwords/password.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { SECOND_FACTOR } from '../../kit/totp.ts'

const keep = untilTheEnd()
const BCRYPT = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'
const NOW = Date.UTC(2026, 10, 29, 2, 40, 7, 123)
const FILE = 'users.toml'

/** Runs the command in a folder; `typed` are the answers at a terminal, secrets and others in their order. */
function run(folder: string, argv: readonly string[], given: string | readonly string[] = '') {
  const answers = typeof given === 'string' ? [] : [...given]
  const next = async () => answers.shift() ?? null
  const terminal: Terminal | null = typeof given === 'string' ? null : { ask: next, askSecret: next, close() {} }
  const source = { terminal, readInput: async () => (typeof given === 'string' ? given : '') }
  const ports = { now: () => NOW, random: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }
  return runIn(folder, io => runUser(argv, io, source, ports))
}

function folderWith(text?: string, name = FILE): string {
  const folder = keep(temporaryFolder()).path
  if (text !== undefined) writeFileSync(join(folder, name), text)
  return folder
}

const textIn = (folder: string) => readFileSync(join(folder, FILE), 'utf8')
const read = (folder: string) => readUsers(FILE, textIn(folder))

/** A file as people write it, with comments and an order of their own. */
const WRITTEN = `# the family

[[users]]   # the eldest
hash = "${BCRYPT}"  # of 2020
name = "ada"
id = "id-of-ada"
groups = [
  "admins", # for now
  "family",
]
token_epoch = 2

# came later
[[users]]
id = 'id-of-bob'
name = 'bob'
hash = '${BCRYPT}'
totp = "${SECOND_FACTOR}"
email = "bob@example.com"
`

test('a user is added to a file that is made for its owner alone, with an id, and all that was said', async () => {
  const folder = folderWith()
  const more = ['--groups', 'family, admins', '--email', 'ada@example.com', '--name', 'Ada Lovelace']
  expect(await run(folder, ['add', FILE, 'ada', ...more], 'battery staple\n')).toMatchObject({
    code: 0,
    out: '',
    err: 'ada is in users.toml now, in the groups family, admins, with the password that came by standard input, and can sign in as soon as the server has read it.\n',
  })
  const other = ['add', FILE, 'bob "b"', '--display-name', 'Bob']
  expect(await run(folder, other, ['battery staple', 'battery staple'])).toMatchObject({ code: 0 })
  expect(read(folder).entries.get('bob "b"')?.displayName).toBe('Bob')
  const { entries, faults } = read(folder)
  expect([faults, [...entries.keys()]]).toEqual([[], ['ada', 'bob "b"']])
  const ada = entries.get('ada')
  expect(ada).toMatchObject({
    groups: ['family', 'admins'],
    email: 'ada@example.com',
    displayName: 'Ada Lovelace',
    totp: null,
    tokenEpoch: 0,
  })
  expect(ada?.id).toMatch(/^[A-Za-z0-9_-]{22}$/)
  expect(ada?.id).not.toBe(entries.get('bob "b"')?.id)
  expect(ada?.hash).toStartWith('$argon2id$')
  expect(await verifyPassword('battery staple', ada?.hash ?? '')).toBe(true)
  expect(textIn(folder)).toContain('created = 2026-11-29T02:40:07Z\n')
  expect(statSync(join(folder, FILE)).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual([FILE])
})

test('who is removed and added again under the same name has another id', async () => {
  const folder = folderWith()
  const add = () => run(folder, ['add', FILE, 'ada'], 'battery staple')
  await add()
  const before = read(folder).entries.get('ada')?.id
  expect((await run(folder, ['remove', FILE, 'ada'])).code).toBe(0)
  expect(read(folder).entries.size).toBe(0)
  await add()
  expect(read(folder).entries.get('ada')?.id).not.toBe(before)
})

test('another password leaves the id and every other line, comment, mode and user as they are', async () => {
  const folder = folderWith(WRITTEN)
  chmodSync(join(folder, FILE), 0o640)
  const { code, err } = await run(folder, ['passwd', FILE, 'ada', '--keep-tokens'], 'battery staple')
  expect([code, err.includes('API tokens and guest links rest until ada signs in')]).toEqual([0, true])
  const { hash = '' } = read(folder).entries.get('ada') ?? {}
  expect(await verifyPassword('battery staple', hash)).toBe(true)
  const expected = WRITTEN.replace(`hash = "${BCRYPT}"  # of 2020`, `hash = "${hash}"`).replace(
    'token_epoch = 2\n',
    'token_epoch = 2\npassword_changed = 2026-11-29T02:40:07Z\n',
  )
  expect(textIn(folder)).toBe(expected)
  expect(statSync(join(folder, FILE)).mode & 0o777).toBe(0o640)
})

describe('whether tokens end with a password', () => {
  const epochs = (folder: string) => [...read(folder).entries.values()].map(({ tokenEpoch }) => tokenEpoch)

  test('is asked at a terminal, until there is an answer', async () => {
    const folder = folderWith(WRITTEN)
    const typed = (...answers: readonly string[]) =>
      run(folder, ['passwd', FILE, 'ada'], ['battery staple', 'battery staple', ...answers])
    expect((await typed('perhaps', 'no')).code).toBe(0)
    expect(epochs(folder)).toEqual([2, 0])
    expect((await typed('yes')).err).toContain('API tokens and guest links end, too.')
    expect(epochs(folder)).toEqual([3, 0])
    const before = textIn(folder)
    for (const answers of [[], ['', '', '']]) {
      const { code, err } = await typed(...answers)
      expect([code, err, textIn(folder)]).toEqual([1, 'Nothing was written.\n', before])
    }
  })

  test('has to be said where nobody can be asked, before a password is read', async () => {
    const folder = folderWith(WRITTEN)
    const { code, err } = await run(folder, ['passwd', FILE, 'bob'], 'battery staple')
    expect([code, err.startsWith('say --end-tokens or --keep-tokens')]).toEqual([2, true])
    expect(textIn(folder)).toBe(WRITTEN)
    expect((await run(folder, ['passwd', FILE, 'bob', '--end-tokens'], 'battery staple')).code).toBe(0)
    expect(epochs(folder)).toEqual([2, 1])
  })
})

test('a name that goes takes its table along, and nothing else', async () => {
  const folder = folderWith(WRITTEN)
  const { code, err } = await run(folder, ['remove', FILE, 'ada'])
  expect([code, err]).toEqual([
    0,
    'ada is no more in users.toml, and is signed out as soon as the server has read it.\n',
  ])
  expect(textIn(folder)).toBe(`# the family\n\n${WRITTEN.slice(WRITTEN.indexOf('# came later'))}`)
  expect((await run(folder, ['remove', FILE, 'bob'])).code).toBe(0)
  expect([read(folder).entries.size, read(folder).faults]).toEqual([0, []])
})

test('a second factor is kept in the table of its user, and taken away from there', async () => {
  const folder = folderWith(WRITTEN)
  const { out, err } = await run(folder, ['totp', FILE, 'ada'])
  const secret = /[?&]secret=([A-Z2-7]+)/.exec(out)?.[1] ?? ''
  expect([read(folder).entries.get('ada')?.totp, readdirSync(folder)]).toEqual([secret, [FILE]])
  expect(err).toBe('It is asked for where routes.toml says users = "users.toml".\n')
  expect((await run(folder, ['totp', FILE, 'bob', '--remove'])).code).toBe(0)
  expect(textIn(folder)).not.toContain(SECOND_FACTOR)
  expect(await run(folder, ['totp', FILE, 'bob', '--remove'])).toMatchObject({
    code: 1,
    err: 'bob has no second factor\n',
  })
})

test('a list says of each user what the file holds, and no secret', async () => {
  const { code, out } = await run(folderWith(WRITTEN), ['list', FILE])
  expect(code).toBe(0)
  expect(out).toMatch(/^ada +bcrypt +admins,family +id-of-ada *$/m)
  expect(out).toMatch(/^bob +bcrypt +yes +bob@example\.com +id-of-bob *$/m)
  for (const secret of [BCRYPT, SECOND_FACTOR]) expect(out).not.toContain(secret)
})

test('a file of lines and its second factors become a users.toml, and stay as they are', async () => {
  const folder = folderWith(`# people\nada:${BCRYPT}\nback up:${BCRYPT}\n`, 'users.htpasswd')
  writeFileSync(join(folder, 'users.totp'), `ada:${SECOND_FACTOR}\n`)
  const before = ['users.htpasswd', 'users.totp'].map(name => readFileSync(join(folder, name), 'utf8'))
  const { code, err } = await run(folder, ['convert', 'users.htpasswd', FILE])
  expect([code, err.includes('in place of users.htpasswd, and take totp out')]).toEqual([0, true])
  const { entries, faults } = read(folder)
  expect([faults, [...entries].map(([name, { hash, totp }]) => [name, hash, totp])]).toEqual([
    [],
    [
      ['ada', BCRYPT, SECOND_FACTOR],
      ['back up', BCRYPT, null],
    ],
  ])
  expect(new Set([...entries.values()].map(({ id }) => id)).size).toBe(2)
  expect(['users.htpasswd', 'users.totp'].map(name => readFileSync(join(folder, name), 'utf8'))).toEqual(before)
  expect((await run(folder, ['convert', 'users.htpasswd', FILE])).err).toContain('exists already')
})

describe('what cannot be done changes nothing', () => {
  const inline = `users = [{ id = "id-of-ada", name = "ada", hash = "${BCRYPT}" }]\n`
  const multiline = `[[users]]\nid = "id-of-ada"\nname = "ada"\nhash = """\n${BCRYPT}"""\n`
  test.each<[string, string, readonly string[], number, string]>([
    ['a name that is there', WRITTEN, ['add', FILE, 'ada'], 1, 'ada is in users.toml already'],
    ['a name that is not there', WRITTEN, ['remove', FILE, 'eve'], 1, 'eve is not in users.toml'],
    ['a file with a mistake', `${WRITTEN}\nsurprise = 1\n`, ['add', FILE, 'eve'], 1, 'fix that first'],
    ['a file that is no TOML', `ada:${BCRYPT}\n`, ['add', FILE, 'eve'], 1, ') is in line 1 of'],
    [
      'a file with a line that is no TOML',
      'something else\n',
      ['add', FILE, 'eve'],
      1,
      'one = between them) is in line 1',
    ],
    ['users in one line', inline, ['remove', FILE, 'ada'], 1, 'written in a way'],
    ['a hash over two lines', multiline, ['passwd', FILE, 'ada', '--keep-tokens'], 1, 'written in a way'],
    ['an address that is none', WRITTEN, ['add', FILE, 'eve', '--email', 'eve'], 2, '--email is no e-mail address'],
    ['an empty group', WRITTEN, ['add', FILE, 'eve', '--groups', 'a,,b'], 2, '--groups has an empty entry'],
  ])('%s', async (_, text, argv, code, says) => {
    const folder = folderWith(text)
    const result = await run(folder, argv, 'battery staple')
    expect([result.code, result.out, result.err.includes(says) || result.err]).toEqual([code, '', true])
    expect([textIn(folder), readdirSync(folder)]).toEqual([text, [FILE]])
    expect(result.err).not.toContain(BCRYPT)
  })

  test('a new file is not begun by a name that cannot be', async () => {
    const folder = folderWith()
    expect((await run(folder, ['add', FILE, 'a:b'], 'battery staple')).code).toBe(2)
    expect(existsSync(join(folder, FILE))).toBe(false)
  })
})
