/** The user of the service owns the data folder, and means harm. Root runs commands on the store in it. */
import { expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { PORTAL, startGate } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { FROM_SOURCE, PROGRAMS } from '../../kit/programs/child.ts'

/** A user that nobody is. */
const SERVICE = 54_321
const SECRET = 'what root alone may read'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Site extends Disposable {
  /** Root's: routes.toml, and what is precious to it. */
  readonly root: string
  /** The data folder, the service's with all that is in it. */
  readonly data: string
  /** A file of root's, mode 0600. */
  readonly precious: string
  /** A name in root's folder where nothing is. */
  readonly absent: string
  run(...argv: readonly string[]): Promise<Ran>
  /** Runs it as the service's user. */
  runAsService(...argv: readonly string[]): Promise<Ran>
}

/** A store with a session in it, made by a real gate and then given to the service's user. */
async function makeSite(
  owner: { readonly folder?: number; readonly mode?: number } = {},
  program = FROM_SOURCE,
): Promise<Site> {
  const folder = temporaryFolder()
  const [root, data] = [join(folder.path, 'root'), join(folder.path, 'data')]
  mkdirSync(root, { mode: 0o700 })
  mkdirSync(data, { mode: 0o700 })
  chmodSync(folder.path, 0o711)
  const store = join(data, 'sallyport.db')
  const routes = `${PORTAL}\n[[routes]]\nhost = "app.example"\nrespond = { status = 200 }\nportal = "home"\nallow = ["user"]\n`
  await using gate = await startGate(routes, { store: `sqlite:${store}` })
  await gate.signIn('app.example', { sub: 'ada' })
  await gate[Symbol.asyncDispose]()
  writeFileSync(join(root, 'routes.toml'), `[sessions]\nstore = "sqlite:${store}"\n${routes}`, { mode: 0o600 })
  for (const name of readdirSync(data)) chownSync(join(data, name), SERVICE, SERVICE)
  chownSync(data, owner.folder ?? SERVICE, SERVICE)
  if (owner.mode !== undefined) chmodSync(data, owner.mode)
  const precious = join(root, 'precious')
  writeFileSync(precious, SECRET, { mode: 0o600 })
  const run =
    (prefix: readonly string[]) =>
    async (...argv: readonly string[]) => {
      const child = Bun.spawn([...prefix, ...program, ...argv], {
        cwd: prefix.length === 0 ? root : folder.path,
        env: { PATH: process.env.PATH ?? '' },
        stdin: 'ignore',
        stdout: 'pipe',
        stderr: 'pipe',
      })
      const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
      return { code: await child.exited, out, err }
    }
  return {
    root,
    data,
    precious,
    absent: join(root, 'absent'),
    run: run([]),
    runAsService: run(['setpriv', `--reuid=${SERVICE}`, `--regid=${SERVICE}`, '--clear-groups']),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

function plantLink(path: string, target: string): void {
  rmSync(path, { force: true })
  symlinkSync(target, path)
  lchownSync(path, SERVICE, SERVICE)
}

/** Copies a database over the other one in its place, beside a log that is not its own: whoever opens it next makes a file of its own of it. */
function overwrite({ root, data }: Site): void {
  const path = join(data, 'sallyport.db')
  writeFileSync(path, readFileSync(join(root, 'copy.db')))
  writeFileSync(`${path}-wal`, 'the log of another')
  chownSync(`${path}-wal`, SERVICE, SERVICE)
}

/** What root had is as it was, and root left nothing of its own in the folder of the service. */
function expectUntouched({ data, precious, absent }: Site): void {
  const { uid, gid, mode } = statSync(precious)
  expect([uid, gid, mode & 0o777, readFileSync(precious, 'utf8')]).toEqual([0, 0, 0o600, SECRET])
  expect(existsSync(absent)).toBe(false)
  const foreign = readdirSync(data).filter(name => lstatSync(join(data, name)).uid !== SERVICE)
  expect(foreign).toEqual([])
}

/** Every command that opens the store; `copy.db` is a good backup of root's. */
const COMMANDS: readonly (readonly string[])[] = [
  ['sessions', 'list'],
  ['sessions', 'revoke', '--all'],
  ['tokens', 'list'],
  ['guests', 'list'],
  ['requests', 'list'],
  ['audit'],
  ['check', '--diff', 'routes.toml'],
  ['restore', 'copy.db'],
  ['backup', 'next.db', '--with-key'],
  ['restore', 'copy.db', '--with-key'],
]

/** Each name that the program opens, makes or renames in a data folder. */
const NAMES = [
  'sallyport.db',
  'sallyport.db-lock',
  'sallyport.db-place',
  'sallyport.db-place.new',
  'sallyport.db-wal',
  'sallyport.db-shm',
  'sallyport.db-journal',
  'sallyport.db.overwritten.new',
  'sallyport.key',
] as const

needs('root', 'setpriv').describe('commands that root runs', () => {
  test.each(NAMES)(
    'give nothing of root’s away where the service has put a link in place of %s',
    async name => {
      // Every command goes the same way: all of them are run at one name.
      const commands = name === 'sallyport.db-lock' ? COMMANDS : [...COMMANDS.slice(0, 1), ...COMMANDS.slice(-1)]
      const attack = async (kind: 'precious' | 'absent') => {
        using site = await makeSite()
        expect(await site.run('backup', 'copy.db', '--with-key')).toMatchObject({ code: 0 })
        for (const argv of commands) {
          if (name === 'sallyport.db.overwritten.new') overwrite(site)
          plantLink(join(site.data, name), site[kind])
          const { out, err } = await site.run(...argv)
          expect(out + err).not.toContain(SECRET)
          expectUntouched(site)
          for (const made of ['next.db', 'next.db.key']) rmSync(join(site.root, made), { force: true })
        }
      }
      await Promise.all([attack('precious'), attack('absent')])
    },
    300_000,
  )

  test.each(PROGRAMS)(
    'go on working as %s, and leave a store that the service can open',
    async (_name, program) => {
      using site = await makeSite({}, await program())
      const listed = await site.run('sessions', 'list')
      expect([listed.code, listed.err]).toEqual([0, ''])
      expect(listed.out).toContain('ada')
      expectUntouched(site)
      expect(await site.run('backup', 'copy.db', '--with-key')).toMatchObject({ code: 0, err: '' })
      for (const name of ['copy.db', 'copy.db.key']) {
        const { uid, mode } = statSync(join(site.root, name))
        expect([name, uid, mode & 0o777]).toEqual([name, 0, 0o600])
      }
      expect(await site.run('sessions', 'revoke', '--all')).toMatchObject({
        code: 0,
        out: '1 session revoked; running servers end what they have in memory alone, too\n',
      })
      expect((await site.run('sessions', 'list')).out).toBe('No user is signed in.\n')
      expect(await site.run('restore', 'copy.db', '--with-key')).toMatchObject({ code: 0, err: '' })
      expectUntouched(site)
      // The service itself, with a file that it may read.
      const own = join(site.data, 'routes.toml')
      writeFileSync(own, readFileSync(join(site.root, 'routes.toml')))
      chownSync(own, SERVICE, SERVICE)
      const seen = await site.runAsService('sessions', 'list', '--config', own)
      expect([seen.code, seen.err]).toEqual([0, ''])
      expect(seen.out).toContain('ada')
    },
    300_000,
  )

  test('say that a backup exists, and write nothing over it or through a link at its name', async () => {
    using site = await makeSite()
    writeFileSync(join(site.root, 'there.db'), 'kept')
    expect(await site.run('backup', 'there.db')).toMatchObject({
      code: 1,
      err: `${join(site.root, 'there.db')} exists\n`,
    })
    expect(readFileSync(join(site.root, 'there.db'), 'utf8')).toBe('kept')
    for (const target of [site.precious, site.absent]) {
      plantLink(join(site.data, 'copy.db'), target)
      expect((await site.run('backup', join(site.data, 'copy.db'))).code).toBe(1)
      expectUntouched(site)
    }
  }, 300_000)

  test('leave no half of a backup that fails: the file is empty, and its name is said', async () => {
    using site = await makeSite()
    writeFileSync(join(site.data, 'sallyport.db'), 'no database'.repeat(1000))
    const { code, err } = await site.run('backup', 'next.db', '--with-key')
    expect(code).toBe(1)
    const made = ['next.db', 'next.db.key'].map(name => join(site.root, name))
    expect(err).toContain(`remove ${made.join(' and ')}, which are empty`)
    expect(made.map(path => statSync(path).size)).toEqual([0, 0])
    expectUntouched(site)
  }, 300_000)

  test('make a backup in the service’s folder as the service, and read one there as the service', async () => {
    using site = await makeSite()
    expect(await site.run('backup', join(site.data, 'copy.db'), '--with-key')).toMatchObject({ code: 0 })
    expectUntouched(site)
    expect(await site.run('restore', join(site.data, 'copy.db'), '--with-key')).toMatchObject({ code: 0 })
    for (const name of ['copy.db', 'copy.db-wal', 'copy.db.key']) {
      plantLink(join(site.data, name), site.precious)
      const { err, out } = await site.run('restore', join(site.data, 'copy.db'), '--with-key')
      expect(out + err).not.toContain(SECRET)
      expectUntouched(site)
      const leaked = readdirSync(site.data).filter(one => {
        const path = join(site.data, one)
        return lstatSync(path).isFile() && readFileSync(path, 'latin1').includes(SECRET)
      })
      expect(leaked).toEqual([])
      rmSync(join(site.data, name))
    }
  }, 300_000)

  test('refuse a store in a folder of root’s where others may write, unless the database says whose it is', async () => {
    using site = await makeSite({ folder: 0, mode: 0o777 })
    expect(await site.run('sessions', 'list')).toMatchObject({ code: 0 })
    expectUntouched(site)
    plantLink(join(site.data, 'sallyport.db'), site.precious)
    const refused = await site.run('sessions', 'list')
    expect(refused.code).toBe(1)
    expect(refused.err).toContain('others than root may write')
    expect(refused.err).toContain('chown')
    expectUntouched(site)
  }, 300_000)

  test('stay root where nobody else may write', async () => {
    using site = await makeSite({ folder: 0, mode: 0o700 })
    for (const name of readdirSync(site.data)) chownSync(join(site.data, name), 0, 0)
    expect(await site.run('sessions', 'list')).toMatchObject({ code: 0, err: '' })
    for (const name of readdirSync(site.data)) expect(statSync(join(site.data, name)).uid).toBe(0)
  }, 300_000)
})
