import { describe, expect, test } from 'bun:test'
import { chmodSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runUser } from '../../../src/cli/user/user.ts'
import { readHtpasswd } from '../../../src/config/values/htpasswd.ts'
import type { Terminal } from '../../../src/console/terminal.ts'
import { verifyPassword } from '../../../src/identity/passwords/password.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { FROM_SOURCE } from '../../kit/programs/child.ts'

const keep = untilTheEnd()
const BCRYPT = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'

const PORTS = { now: () => 1_111_111_111_000, random: (count: number) => new Uint8Array(count).fill(7) }

/** Runs the command in a folder, with this on standard input or typed at a terminal. */
function run(folder: string, argv: readonly string[], given: string | readonly string[] = '') {
  const answers = typeof given === 'string' ? [] : [...given]
  const terminal: Terminal = {
    ask: () => Promise.reject(new Error('a password is never asked for in the open')),
    askSecret: async () => answers.shift() ?? null,
    close() {},
  }
  const source =
    typeof given === 'string'
      ? { terminal: null, readInput: async () => given }
      : { terminal, readInput: () => Promise.reject(new Error('there is a terminal')) }
  return runIn(folder, io => runUser(argv, io, source, PORTS))
}

const folderWith = (text?: string) => {
  const folder = keep(temporaryFolder()).path
  if (text !== undefined) writeFileSync(join(folder, 'users'), text)
  return folder
}
const textIn = (folder: string) => readFileSync(join(folder, 'users'), 'utf8')

test('a name is added to a file that is made for its owner alone, with a hash of Argon2id', async () => {
  const folder = folderWith()
  const { code, out, err } = await run(folder, ['add', 'users', 'ada'], 'battery staple\n')
  expect([code, out]).toEqual([0, ''])
  expect(err).toStartWith('ada is in users now, with the password that came by standard input, and can sign in')
  expect(err).toContain('which hold no id, groups, e-mail address and display name: "sallyport user convert')
  const { entries, faults } = readHtpasswd(textIn(folder))
  expect(faults).toEqual([])
  const hash = entries.get('ada') ?? ''
  expect(hash).toStartWith('$argon2id$')
  expect(await verifyPassword('battery staple', hash)).toBe(true)
  expect(statSync(join(folder, 'users')).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['users'])
})

test('at a terminal the password is asked for twice, unseen', async () => {
  const folder = folderWith()
  expect((await run(folder, ['add', 'users', 'ada'], ['battery staple', 'battery stable'])).code).toBe(1)
  expect(readdirSync(folder)).toEqual([])
  expect((await run(folder, ['add', 'users', 'ada'], ['battery staple', 'battery staple'])).code).toBe(0)
  expect((await run(folder, ['passwd', 'users', 'ada'], [])).code).toBe(1)
  const added = await run(folder, ['add', 'users', 'bob'], ['battery staple', 'battery staple'])
  expect(added.err).toStartWith('bob is in users now, and can sign in as soon as the server has read it.\n')
})

test('a password at a terminal has its blanks, as on the sign-in page', async () => {
  const folder = folderWith()
  let shown = ''
  const child = Bun.spawn([...FROM_SOURCE, 'user', 'add', 'users', 'ada'], {
    cwd: folder,
    terminal: {
      data(terminal, data) {
        shown += Buffer.from(data).toString()
        if (/(?:Password|Once more): $/.test(shown)) terminal.write(' battery staple \r')
      },
    },
  })
  expect([await child.exited, shown]).toEqual([0, expect.not.stringContaining('battery')])
  const hash = readHtpasswd(textIn(folder)).entries.get('ada') ?? ''
  expect(await verifyPassword(' battery staple ', hash)).toBe(true)
}, 300_000)

test('a file that is not there has nobody to list, and says how it is made', async () => {
  const { code, err } = await run(folderWith(), ['list', 'users'])
  expect([code, err]).toEqual([1, 'users does not exist: sallyport user add users NAME makes it\n'])
})

test('the first name of a file is found behind a byte order mark', async () => {
  const folder = folderWith(`\uFEFFada:${BCRYPT}\n`)
  expect((await run(folder, ['passwd', 'users', 'ada'], 'battery staple')).code).toBe(0)
  expect(textIn(folder)).toMatch(/^ada:\$argon2id\$[^\n]+\n$/)
})

test('another password, and a name that goes, leave every other line, mode and link as they are', async () => {
  const folder = folderWith(`# people\nada:${BCRYPT}\n\nbob:${BCRYPT}\n`)
  chmodSync(join(folder, 'users'), 0o640)
  symlinkSync('users', join(folder, 'link'))
  expect((await run(folder, ['passwd', 'link', 'ada'], 'battery staple')).code).toBe(0)
  expect(textIn(folder)).toMatch(/^# people\nada:\$argon2id\$[^\n]+\n\nbob:\$2y\$[^\n]+\n$/)
  expect(statSync(join(folder, 'users')).mode & 0o777).toBe(0o640)
  expect((await run(folder, ['remove', 'users', 'ada'])).code).toBe(0)
  expect(textIn(folder)).toBe(`# people\n\nbob:${BCRYPT}\n`)
  expect(readdirSync(folder).sort()).toEqual(['link', 'users'])
  const { out } = await run(folder, ['list', 'users'])
  expect(out).toMatch(/bob +bcrypt/)
  expect(out).not.toContain(BCRYPT)
})

describe('what cannot be done changes nothing', () => {
  const cases: readonly [argv: readonly string[], input: string, code: number, says: string][] = [
    [['add', 'users', 'ada'], 'battery staple', 1, 'ada is in users already'],
    [['passwd', 'users', 'eve'], 'battery staple', 1, 'eve is not in users'],
    [['remove', 'users', 'eve'], '', 1, 'eve is not in users'],
    [['add', 'users', 'eve'], 'short', 1, 'fewer than 8 characters'],
    [['add', 'users', 'eve'], '', 1, 'fewer than 8 characters'],
    [['add', 'users', 'eve'], 'with a \u0007 bell', 1, 'control character'],
    [['add', 'users', 'a:b'], 'battery staple', 2, 'a colon'],
    [['add', 'users', '#eve'], 'battery staple', 2, 'begins with #'],
    [['add', 'users', 'eve\nroot'], 'battery staple', 2, 'control character'],
    [['add', 'users', 'eve', '--groups', 'family'], 'battery staple', 1, 'cannot hold groups'],
    [['add', 'users', 'eve', '--email', 'eve@example.com'], 'battery staple', 1, 'cannot hold an e-mail address'],
    [['passwd', 'users', 'ada', '--end-tokens'], 'battery staple', 1, 'cannot hold that tokens end'],
    [['passwd', 'users', 'ada', '--end-tokens', '--keep-tokens'], 'battery staple', 2, 'one of the two'],
    [['remove', 'users', 'ada', '--end-tokens'], '', 2, '--end-tokens belongs to passwd'],
    [['convert', 'users', 'users.htpasswd'], '', 1, 'ends in .toml'],
    [['add', 'users'], '', 2, 'whose name?'],
    [['add'], '', 2, 'which file?'],
    [['make', 'users', 'eve'], '', 2, 'add, passwd, remove, totp, list, convert, invite or reset'],
    [['add', 'none/users', 'eve'], 'battery staple', 1, 'cannot be written'],
  ]
  test.each(cases)('%p', async (argv, input, code, says) => {
    const before = `ada:${BCRYPT}\n`
    const folder = folderWith(before)
    const result = await run(folder, argv, input)
    expect([result.code, result.out, result.err.includes(says) || result.err]).toEqual([code, '', true])
    expect([textIn(folder), readdirSync(folder)]).toEqual([before, ['users']])
    if (input.length > 8) expect(result.err).not.toContain(input)
  })
})

test('a file in another encoding is left as it is, since writing it would change the names of others', async () => {
  const folder = folderWith()
  const latin1 = Buffer.from(`m\u00fcller:${BCRYPT}\nada:${BCRYPT}\n`, 'latin1')
  writeFileSync(join(folder, 'users'), latin1)
  for (const argv of [
    ['add', 'users', 'bob'],
    ['passwd', 'users', 'ada'],
    ['remove', 'users', 'ada'],
  ]) {
    const { code, err } = await run(folder, argv, 'battery staple\n')
    expect([code, err]).toEqual([1, `${join(folder, 'users')} is not UTF-8 text: save it as UTF-8 first\n`])
    expect(readFileSync(join(folder, 'users')).equals(latin1)).toBe(true)
  }
})

test('a name that is there twice goes altogether, and has one new password', async () => {
  const text = `ada:${BCRYPT}\nbob:${BCRYPT}\nada:${BCRYPT}\n`
  const removing = folderWith(text)
  expect((await run(removing, ['remove', 'users', 'ada'])).code).toBe(0)
  expect(textIn(removing)).toBe(`bob:${BCRYPT}\n`)
  const changing = folderWith(text)
  expect((await run(changing, ['passwd', 'users', 'ada'], 'battery staple\n')).code).toBe(0)
  expect(readHtpasswd(textIn(changing))).toMatchObject({ faults: [] })
  expect([...readHtpasswd(textIn(changing)).entries.keys()]).toEqual(['ada', 'bob'])
})

test('a change of a file that no server takes says so, and fails', async () => {
  const folder = folderWith(`broken\nada:${BCRYPT}\n`)
  for (const argv of [
    ['add', 'users', 'bob'],
    ['passwd', 'users', 'ada'],
    ['remove', 'users', 'ada'],
  ]) {
    const { code, err } = await run(folder, argv, 'battery staple\n')
    expect(code).toBe(1)
    expect(err).toEndWith('a server uses users only once this is right: has no name and hash in line 1 of users\n')
  }
  expect(textIn(folder)).toStartWith('broken\nbob:')
})

test('without a password a user is added whose hash nobody knows the password of, and no password is asked for', async () => {
  const folder = folderWith()
  const { code, err } = await run(folder, ['add', 'users.toml', 'ada', '--no-password'], ['never asked for'])
  expect([code, err]).toEqual([
    0,
    'ada is in users.toml now, and has no password: "sallyport user invite ada" prints the link of an invitation. That needs a url in [portals.NAME] of routes.toml, such as url = "https://auth.example.com"; for a try on this machine url = "http://auth.localhost:8080".\n',
  ])
  const hash = /hash = "([^"]+)"/.exec(readFileSync(join(folder, 'users.toml'), 'utf8'))?.[1] ?? ''
  expect(hash).toStartWith('$argon2id$')
  for (const guess of ['', 'ada', 'never asked for']) expect(await verifyPassword(guess, hash)).toBe(false)
  expect((await run(folder, ['passwd', 'users.toml', 'ada', '--no-password'])).code).toBe(2)
})

test.each(['users.toml', 'users'])('a list says of a user without a password that there is none: %s', async file => {
  const folder = folderWith()
  const kindOf = async () => {
    const { out } = await run(folder, ['list', file])
    const [head, line] = out.split('\n').map(text => text.split(/ +/).slice(0, 2))
    return [head, line]
  }
  await run(folder, ['add', file, 'ada', '--no-password'])
  expect(await kindOf()).toEqual([
    ['name', 'password'],
    ['ada', 'none'],
  ])
  const ending = file === 'users' ? [] : ['--keep-tokens']
  expect((await run(folder, ['passwd', file, 'ada', ...ending], 'battery staple')).code).toBe(0)
  expect((await kindOf())[1]).toEqual(['ada', 'argon2id'])
})
