import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runCheck } from '../../../src/cli/check.ts'
import type { ConfigState } from '../../../src/server/observe/admin-listener.ts'
import { quietPorts } from '../../kit/clock.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { eventually, startGate } from '../../kit/gate.ts'
import { runIn } from '../../kit/io.ts'
import { statusOf } from '../../kit/requests.ts'

const route = (host: string, allow = '"public"') =>
  `[[routes]]\nhost = "${host}"\nrespond = { body = "in" }\nallow = ${allow}\n`
const OPEN = '[[expect]]\naddress = "http://open.example"\nverdict = "allow"\n'

test('a save that breaks an expectation is refused, whatever else is new in it, also one that is included', async () => {
  await using gate = await startGate(route('open.example') + OPEN)
  const state = async () => (await (await fetch(`http://127.0.0.1:${gate.adminPort}/config`)).json()) as ConfigState
  const good = readFileSync(gate.configPath, 'utf8')
  writeFileSync(gate.configPath, good.replace('open.example', 'other.example'))
  await eventually(async () => (await state()).refused !== null, 'the save is refused')
  expect((await state()).refused).toContain('gets "no-route", not "allow"')
  expect(await statusOf(gate, '/', { host: 'open.example' })).toBe(200)
  expect(await statusOf(gate, '/', { host: 'other.example' })).toBe(404)
  const folder = join(dirname(gate.configPath), 'conf.d')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a.toml'), OPEN.replace('open.example', 'more.example'))
  writeFileSync(gate.configPath, `include = "conf.d/*.toml"\n${good}`)
  await eventually(async () => (await state()).refused?.includes('conf.d/a.toml:3:11') === true, 'so is this one')
  writeFileSync(join(folder, 'a.toml'), route('more.example') + OPEN.replace('open.example', 'more.example'))
  await eventually(async () => (await statusOf(gate, '/', { host: 'more.example' })) === 200, 'the mended one is taken')
  expect((await state()).refused).toBeNull()
})

test('a first start with a broken expectation serves nothing, and check says the same', async () => {
  const broken = route('open.example') + OPEN.replace('"allow"', '"deny"')
  await expect(startGate(broken)).rejects.toThrow('gets "allow", not "deny"')
  using folder = temporaryFolder()
  const check = (text: string) => {
    writeFileSync(join(folder.path, 'routes.toml'), text)
    return runIn(folder.path, io => runCheck([], io, { ...io, ...quietPorts({ now: Date.now }) }))
  }
  const { code, err } = await check(broken)
  expect([code, err]).toEqual([1, expect.stringContaining('gets "allow", not "deny"')])
  expect((await check(route('open.example') + OPEN)).out).toContain('1 expectation met')
})
