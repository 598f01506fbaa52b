import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RECIPE_NAMES } from '../../../src/cli/recipe/recipe.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { PROGRAMS } from '../../kit/programs/child.ts'

const FOLDER = join(import.meta.dir, '../../../docs/recipes/services')
const printed = (name: string) => readFileSync(join(FOLDER, `${name}.toml`), 'utf8')

describe.each(PROGRAMS)('sallyport recipe of %s', (_, program) => {
  let folder: ReturnType<typeof temporaryFolder>
  let command: readonly string[]
  beforeAll(async () => {
    folder = temporaryFolder()
    command = await program()
  })
  afterAll(() => folder[Symbol.dispose]())

  async function recipe(...args: string[]) {
    const child = Bun.spawn([...command, 'recipe', ...args], {
      cwd: folder.path,
      env: { PATH: process.env.PATH ?? '' },
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    return { code: await child.exited, out, err }
  }

  test('lists every one, a line each', async () => {
    const { code, out, err } = await recipe('list')
    expect([code, err]).toEqual([0, ''])
    expect(out.split('\n').map(line => line.split(' ')[0])).toEqual([...RECIPE_NAMES, ''])
    for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^\S+ +\S.*: \S/)
    expect(await recipe()).toEqual({ code, out, err })
  })

  test('prints one byte for byte, by the name of a fork and in capitals too', async () => {
    expect(await recipe('grafana')).toEqual({ code: 0, out: printed('grafana'), err: '' })
    expect((await recipe('Forgejo')).out).toBe(printed('gitea'))
  })

  test('puts a host and an address in place, in the comments too', async () => {
    const { out } = await recipe('vaultwarden', '--host', 'vault.lan', '--upstream', '10.0.0.7:8000')
    expect(out).not.toContain('example.com/')
    expect(out).not.toContain('app:')
    expect(out.match(/^host = "vault\.lan"$/gm)).toHaveLength(3)
    expect(out.match(/^upstream = "http:\/\/10\.0\.0\.7:8000"$/gm)).toHaveLength(3)
    expect(out).toContain('DOMAIN=https://vault.lan,')
    expect((await recipe('vaultwarden', '--host', 'vault.lan')).out).toContain('upstream = "http://app:80"')
  })

  test.each([
    [['kuma'], 'there is no recipe "kuma": did you mean "uptime-kuma"?\n'],
    [['calibre-server'], 'there is no recipe "calibre-server": did you mean "calibre"?\n'],
    [['grafna'], 'there is no recipe "grafna": did you mean "grafana"?\n'],
    [['qqqq'], 'there is no recipe "qqqq": "sallyport recipe list" names all of them\n'],
  ])('says of %j what was probably meant', async (args, said) => {
    expect(await recipe(...args)).toEqual({ code: 2, out: '', err: said })
  })

  test.each([
    [['grafana', '--host', 'https://a.example'], 'leave the scheme out'],
    [['grafana', '--upstream', 'ftp://a.example'], '--upstream: '],
    [['grafana', 'extra'], 'unexpected argument "extra"'],
  ])('refuses %j', async (args, said) => {
    const { code, out, err } = await recipe(...args)
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain(said)
  })
})
