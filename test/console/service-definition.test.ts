import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from '../../src/cli/run.ts'
import { serviceUserName, variableOfService } from '../../src/console/service-definition.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'

const OWN = 'etc/systemd/system/sallyport.service'
const PACKAGED = 'usr/lib/systemd/system/sallyport.service'
const UNIT = '[Service]\nUser=sallyport\nEnvironmentFile=-/etc/sallyport/environment\n'

/** The root of a machine that has these files. */
function machine(files: Readonly<Record<string, string>>) {
  const folder = temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true })
    writeFileSync(join(folder.path, path), text)
  }
  return folder
}

test.each<[what: string, files: Readonly<Record<string, string>>, user: string | null]>([
  ['no definition', {}, null],
  ['a unit', { [PACKAGED]: UNIT }, 'sallyport'],
  ['an administrator’s unit in its place', { [PACKAGED]: UNIT, [OWN]: '[Service]\nUser=gate\n' }, 'gate'],
  ['a drop-in', { [PACKAGED]: UNIT, [`${OWN}.d/user.conf`]: '[Service]\nUser = gate\n' }, 'gate'],
  [
    'several drop-ins, by their names',
    { [PACKAGED]: UNIT, [`${OWN}.d/20.conf`]: 'User=last\n', [`${PACKAGED}.d/10.conf`]: 'User=first\n' },
    'last',
  ],
  [
    'two of one name: the administrator’s',
    { [PACKAGED]: UNIT, [`${OWN}.d/10.conf`]: 'User=own\n', [`${PACKAGED}.d/10.conf`]: 'User=packaged\n' },
    'own',
  ],
  ['one that takes it back', { [PACKAGED]: UNIT, [`${OWN}.d/10.conf`]: '[Service]\nUser=\n' }, null],
  ['no .conf', { [PACKAGED]: UNIT, [`${OWN}.d/10.bak`]: 'User=old\n' }, 'sallyport'],
  ['OpenRC', { 'etc/init.d/sallyport': 'command_user="gate:gate"\n' }, 'gate'],
])('whom the service runs as is read from its definition: %s', (_what, files, user) => {
  using root = machine(files)
  expect(serviceUserName(root.path)).toBe(user)
})

test('a variable is found in the file that the unit takes it from, and in no other', () => {
  using root = machine({
    [PACKAGED]: UNIT,
    [`${OWN}.d/more.conf`]: '[Service]\nEnvironmentFile=/etc/more\n',
    'etc/sallyport/environment': '# OTHER=1\nCLIENT_SECRET=s3cret\nBOTH=1\n',
    'etc/more': 'BOTH=2\n',
  })
  const found = (name: string) => variableOfService(name, root.path)?.file ?? null
  expect(['CLIENT_SECRET', 'BOTH', 'OTHER', 'CLIENT'].map(found)).toEqual([
    '/etc/sallyport/environment',
    '/etc/more',
    null,
    null,
  ])
  expect(variableOfService('BOTH', root.path)?.unit).toBe(join(root.path, `${OWN}.d/more.conf`))
})

test.each([
  [['check', 'routes.toml']],
  [['explain', 'https://a.example/']],
  [['doctor', 'routes.toml']],
  [['sessions', 'list', './routes.toml']],
])('a command that lacks a variable says where the service has it from: %j', async argv => {
  using folder = temporaryFolder()
  const route =
    '[[routes]]\nhost = "a.example"\nallow = "public"\nrespond = { status = 200, body = "${OF_THE_SERVICE}" }\n'
  writeFileSync(join(folder.path, 'routes.toml'), `[server]\nlisten = "127.0.0.1:0"\n${route}`)
  const hintForUnset = (name: string) => `${name} is in the file of the unit`
  const { code, err } = await runIn(folder.path, io => run(argv, { ...io, hintForUnset }))
  expect([code, err]).toEqual([1, expect.stringContaining('hint: OF_THE_SERVICE is in the file of the unit')])
})
