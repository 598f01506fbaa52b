import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ConfigState } from '../../../src/server/observe/admin-listener.ts'
import { eventually, type Gate, startGate } from '../../kit/gate.ts'
import { statusOf } from '../../kit/requests.ts'

const route = (host: string) => `[[routes]]\nhost = "${host}"\nrespond = { body = "in" }\nallow = "public"\n`

const answers = (gate: Gate, host: string, status = 200) =>
  eventually(async () => (await statusOf(gate, '/', { host })) === status, `${host} answers ${status}`)

/** A gate whose file includes conf.d, which is there or not. */
async function including(files: Readonly<Record<string, string>> | null): Promise<Gate & { readonly drop: string }> {
  const gate = await startGate(route('main.example'))
  const drop = join(dirname(gate.configPath), 'conf.d')
  if (files !== null) mkdirSync(drop)
  for (const [name, text] of Object.entries(files ?? {})) writeFileSync(join(drop, name), text)
  writeFileSync(gate.configPath, `include = "conf.d/*.toml"\n${readFileSync(gate.configPath, 'utf8')}`)
  return Object.assign(gate, { drop })
}

test('files that are included take effect as they come, change and go', async () => {
  await using gate = await including({ 'a.toml': route('a.example') })
  await answers(gate, 'a.example')
  writeFileSync(join(gate.drop, 'b.toml'), route('b.example'))
  await answers(gate, 'b.example')
  writeFileSync(join(gate.drop, '.c.toml'), route('c.example'))
  renameSync(join(gate.drop, '.c.toml'), join(gate.drop, 'c.toml'))
  await answers(gate, 'c.example')
  writeFileSync(join(gate.drop, 'a.toml'), route('other.example'))
  await answers(gate, 'other.example')
  rmSync(join(gate.drop, 'b.toml'))
  await answers(gate, 'b.example', 404)
  expect(await statusOf(gate, '/', { host: 'main.example' })).toBe(200)
})

test('a save that includes what cannot be looked at is refused, and the one that mends it is taken over', async () => {
  await using gate = await startGate(route('main.example'))
  const text = readFileSync(gate.configPath, 'utf8')
  // What is no folder, as one that this user may not enter.
  writeFileSync(gate.configPath, `include = ["routes.toml/more.toml"]\n${text}`)
  await eventually(() => gate.told('more.toml').length > 0, 'it is refused')
  writeFileSync(gate.configPath, text.replace('main.example', 'mended.example'))
  await answers(gate, 'mended.example')
  await answers(gate, 'main.example', 404)
})

test('a folder that comes later is seen, and so is one whose link is swapped, as a mounted ConfigMap is', async () => {
  await using gate = await including(null)
  await answers(gate, 'main.example')
  const versions = join(dirname(gate.drop), 'versions')
  for (const [name, host] of [
    ['one', 'one.example'],
    ['two', 'two.example'],
  ] as const) {
    mkdirSync(join(versions, name), { recursive: true })
    writeFileSync(join(versions, name, 'a.toml'), route(host))
  }
  symlinkSync(join(versions, 'one'), gate.drop)
  await answers(gate, 'one.example')
  symlinkSync(join(versions, 'two'), `${gate.drop}.new`)
  renameSync(`${gate.drop}.new`, gate.drop)
  await answers(gate, 'two.example')
})

test('a mistake in one keeps what was in force, and is told with its file and line until it is mended', async () => {
  await using gate = await including({ 'a.toml': route('a.example') })
  await answers(gate, 'a.example')
  const state = async () => (await (await fetch(`http://127.0.0.1:${gate.adminPort}/config`)).json()) as ConfigState
  writeFileSync(join(gate.drop, 'a.toml'), `# mine\n${route('b.example').replace('allow', 'alow')}`)
  await eventually(async () => (await state()).refused !== null, 'the save is refused')
  expect((await state()).refused).toContain(`${join(gate.drop, 'a.toml')}:5:1`)
  expect(await statusOf(gate, '/', { host: 'a.example' })).toBe(200)
  // A file that is named, and cannot be read, is a mistake too.
  rmSync(join(gate.drop, 'a.toml'))
  mkdirSync(join(gate.drop, 'a.toml'))
  await eventually(async () => (await state()).refused?.includes('is a folder') === true, 'a folder is refused')
  rmSync(join(gate.drop, 'a.toml'), { recursive: true })
  await answers(gate, 'a.example', 404)
  expect((await state()).refused).toBeNull()
})
