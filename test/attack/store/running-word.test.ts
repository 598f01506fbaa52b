/** A server leaves word of where its data is; root's commands beside it go by that word, which somebody else may have written. */
import { expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually } from '../../kit/gate.ts'
import { needs } from '../../kit/needs.ts'
import { compiledBinary } from '../../kit/programs/binary.ts'
import { freePort, startChild } from '../../kit/programs/child.ts'
import { runToEnd } from '../../kit/programs/ended.ts'

/** A user that nobody is. */
const SERVICE = 54_321
const AS_SERVICE = ['setpriv', `--reuid=${SERVICE}`, `--regid=${SERVICE}`, '--clear-groups']
const FILE = '[[routes]]\nhost = "app.example"\nrespond = { status = 200 }\nallow = "public"\n'
const NO_DATABASE = 'there is no session database'

/** A server that the service's user runs, as a unit or (without a runtime folder) an image starts it. */
async function makeSite(way: 'unit' | 'image' = 'unit') {
  const folder = temporaryFolder()
  chmodSync(folder.path, 0o755)
  const at = (name: string) => join(folder.path, name)
  for (const name of ['etc', 'data', 'run', 'elsewhere']) mkdirSync(at(name), { mode: 0o755 })
  for (const name of ['data', 'run']) chownSync(at(name), SERVICE, SERVICE)
  const env = { SALLYPORT_DATA: at('data'), ...(way === 'unit' ? { RUNTIME_DIRECTORY: at('run') } : {}) }
  const program = await compiledBinary()
  const command = [...AS_SERVICE, program]
  const server = await startChild({ command, folder: at('etc'), toml: FILE, port: await freePort(), env })
  const config = join(at('etc'), 'routes.toml')
  const word = join(way === 'unit' ? at('run') : at('data'), 'serving.json')
  await eventually(() => existsSync(word), 'the server has left word')
  const beside = way === 'unit' ? { RUNTIME_DIRECTORY: at('run') } : { SALLYPORT_DATA: at('data') }
  const start = (prefix: readonly string[], argv: readonly string[]) =>
    runToEnd([...prefix, program, ...argv], {
      cwd: at('elsewhere'),
      env: { PATH: process.env.PATH ?? '', ...beside },
    })
  return {
    at,
    config,
    word,
    server,
    /** Says something else in place of the server. */
    say(text: string): void {
      rmSync(word, { force: true })
      writeFileSync(word, text)
      chownSync(word, SERVICE, SERVICE)
    },
    run: (...argv: readonly string[]) => start([], argv),
    runAsService: (...argv: readonly string[]) => start(AS_SERVICE, argv),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

needs('root', 'setpriv').describe('commands beside a server that runs', () => {
  test('find its file and its data by themselves, and leave nothing of root’s there', async () => {
    await using site = await makeSite()
    const nobody = { code: 0, stdout: 'No user is signed in.\n', stderr: '' }
    expect(await site.run('sessions', 'list')).toEqual(nobody)
    expect(await site.run('sessions', 'list', '--config', site.config)).toEqual(nobody)
    for (const argv of [['tokens', 'list'], ['guests', 'list'], ['audit']]) {
      expect([argv, (await site.run(...argv)).code]).toEqual([argv, 0])
    }
    const copied = await site.run('backup', 'copy.db', '--with-key')
    expect(copied).toMatchObject({ code: 0, stderr: '' })
    expect(copied.stdout).toContain(`copy.db is a copy of ${site.at('data')}/sallyport.db`)
    const { uid, mode } = statSync(join(site.at('elsewhere'), 'copy.db'))
    expect([uid, mode & 0o777]).toEqual([0, 0o600])
    expect((await site.run('doctor')).stdout).toContain(`sessions are kept in ${site.at('data')}/sallyport.db`)
    // What replaces data is not done on the word of a server.
    const restored = await site.run('restore', 'copy.db', '--config', site.config)
    expect(restored).toMatchObject({ code: 1, stdout: '' })
    expect(restored.stderr).toContain(`put SALLYPORT_DATA=${site.at('data')} before this command`)
    expect(readdirSync(site.at('etc'))).toEqual(['routes.toml'])
    const owners = readdirSync(site.at('data')).map(name => statSync(join(site.at('data'), name)).uid)
    expect(new Set(owners)).toEqual(new Set([SERVICE]))

    await site.server[Symbol.asyncDispose]()
    expect(await site.run('sessions', 'list')).toEqual(nobody)
  }, 300_000)

  test('find them without options in a container, as the user that runs there', async () => {
    await using site = await makeSite('image')
    expect(await site.runAsService('sessions', 'list')).toEqual({
      code: 0,
      stdout: 'No user is signed in.\n',
      stderr: '',
    })
  }, 300_000)

  test('take nothing of it for another file', async () => {
    await using site = await makeSite()
    const other = join(site.at('elsewhere'), 'routes.toml')
    writeFileSync(other, FILE)
    for (const argv of [
      ['sessions', 'list'],
      ['sessions', 'list', other],
    ]) {
      expect(await site.run(...argv)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining(NO_DATABASE),
      })
    }
  }, 300_000)

  test('believe no word that is not wholly of one owner, and wait for none', async () => {
    await using site = await makeSite()
    const { at, config, word } = site
    const says = (data: string) => JSON.stringify({ config, data })
    mkdirSync(at('theirs'))
    chownSync(at('theirs'), SERVICE + 1, SERVICE)
    mkdirSync(at('mixed'))
    chownSync(at('mixed'), SERVICE, SERVICE)
    writeFileSync(join(at('mixed'), 'sallyport.db'), 'precious')
    mkdirSync(at('linked'))
    symlinkSync(join(at('mixed'), 'sallyport.db'), join(at('linked'), 'sallyport.db'))
    chownSync(at('linked'), SERVICE, SERVICE)
    symlinkSync(at('data'), at('link'))
    const good = says(at('data'))
    const lies: readonly (readonly [string, () => void])[] = [
      ['the folder of root', () => site.say(says(at('elsewhere')))],
      ['the folder of somebody else', () => site.say(says(at('theirs')))],
      ['a database of root', () => site.say(says(at('mixed')))],
      ['a link to a database', () => site.say(says(at('linked')))],
      ['a link to a folder', () => site.say(says(at('link')))],
      ['no folder', () => site.say(says('data'))],
      ['nonsense', () => site.say('{')],
      ['too much', () => site.say(good + ' '.repeat(20_000))],
      [
        'a file of root',
        () => {
          site.say(good)
          chownSync(word, 0, 0)
        },
      ],
      [
        'a link to a word',
        () => {
          site.say(good)
          writeFileSync(at('good'), good)
          chownSync(at('good'), SERVICE, SERVICE)
          rmSync(word)
          symlinkSync(at('good'), word)
        },
      ],
      [
        'a pipe that nobody writes to',
        () => {
          rmSync(word)
          Bun.spawnSync(['mkfifo', word])
          chownSync(word, SERVICE, SERVICE)
        },
      ],
    ]
    for (const [what, lie] of lies) {
      lie()
      const { code, stderr } = await site.run('sessions', 'list', '--config', config)
      expect([what, code, stderr]).toEqual([what, 1, expect.stringContaining(NO_DATABASE)])
    }
    expect(readdirSync(at('mixed'))).toEqual(['sallyport.db'])
    expect([readdirSync(at('theirs')), readdirSync(at('elsewhere'))]).toEqual([[], []])
    site.say(good)
    expect((await site.run('sessions', 'list', '--config', config)).code).toBe(0)
  }, 300_000)

  test('read no file as root that the word names and others than root may write', async () => {
    await using site = await makeSite()
    const own = join(site.at('data'), 'routes.toml')
    writeFileSync(own, FILE)
    chownSync(own, SERVICE, SERVICE)
    site.say(JSON.stringify({ config: own, data: site.at('data') }))
    const { code, stderr } = await site.run('sessions', 'list')
    expect([code, stderr]).toEqual([1, expect.stringContaining('routes.toml')])
    expect(stderr).not.toContain(own)
    // Its own user may.
    expect((await site.runAsService('sessions', 'list')).code).toBe(0)
  }, 300_000)
})
