import { expect, test } from 'bun:test'
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runUser } from '../../../src/cli/user/user.ts'
import { readTotp } from '../../../src/config/values/htpasswd.ts'
import type { Terminal } from '../../../src/console/terminal.ts'
import { temporaryFolder } from '../../kit/folder.ts'
import { runIn } from '../../kit/io.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { codeAt } from '../../kit/totp.ts'

const keep = untilTheEnd()
const BCRYPT = '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'
const NOW = 1_800_000_000_000

function folderWith(totp?: string): string {
  const folder = keep(temporaryFolder()).path
  writeFileSync(join(folder, 'users.htpasswd'), `ada:${BCRYPT}\nbob:${BCRYPT}\n`)
  if (totp !== undefined) writeFileSync(join(folder, 'users.totp'), totp)
  return folder
}

/** Runs the command, at a terminal where somebody answers: a function of what is shown so far. */
function run(folder: string, argv: readonly string[], answer?: (shown: string) => string | null) {
  let shown = ''
  const terminal: Terminal | null =
    answer === undefined
      ? null
      : {
          ask: async () => answer(shown),
          askSecret: () => Promise.reject(new Error('nothing is secret here')),
          close() {},
        }
  const ports = { now: () => NOW, random: (count: number) => crypto.getRandomValues(new Uint8Array(count)) }
  return runIn(folder, io => {
    const stdout = (text: string) => {
      shown += text
      return io.stdout(text)
    }
    const isPeople = terminal !== null
    const at = { ...io, stdout, terminal: { stdout: isPeople, stderr: isPeople } }
    return runUser(argv, at, { terminal, readInput: async () => '' }, ports)
  })
}

const secretIn = (text: string) => /[?&]secret=([A-Z2-7]+)/.exec(text)?.[1] ?? ''
const fileIn = (folder: string) => readFileSync(join(folder, 'users.totp'), 'utf8')

test('a second factor is shown as its application reads it, and kept beside the file for its owner alone', async () => {
  const folder = folderWith()
  const { code, out, err } = await run(folder, ['totp', 'users.htpasswd', 'ada', '--issuer', 'Home'])
  expect(code).toBe(0)
  expect(out).toMatch(
    /^otpauth:\/\/totp\/Home:ada\?issuer=Home&secret=[A-Z2-7]{32}&algorithm=SHA1&digits=6&period=30\n$/,
  )
  expect(err).toContain('totp = "users.totp" beside users = "users.htpasswd"')
  expect(readTotp(fileIn(folder))).toEqual({ entries: new Map([['ada', secretIn(out)]]), faults: [] })
  expect(statSync(join(folder, 'users.totp')).mode & 0o777).toBe(0o600)
  expect(readFileSync(join(folder, 'users.htpasswd'), 'utf8')).toBe(`ada:${BCRYPT}\nbob:${BCRYPT}\n`)
  expect((await run(folder, ['list', 'users.htpasswd'])).out).toMatch(/ada +bcrypt +yes\nbob +bcrypt *\n/)
})

test('at a terminal there is a QR code, and nothing is written before the application shows the right one', async () => {
  const folder = folderWith()
  const slips: string[] = []
  const wrong = await run(folder, ['totp', 'users.htpasswd', 'ada'], shown => {
    slips.push(shown)
    return '000000'
  })
  expect([wrong.code, slips.length, existsSync(join(folder, 'users.totp'))]).toEqual([1, 3, false])
  expect(wrong.out).toContain('█')
  expect((await run(folder, ['totp', 'users.htpasswd', 'ada'], () => null)).code).toBe(1)
  expect(existsSync(join(folder, 'users.totp'))).toBe(false)
  const right = await run(folder, ['totp', 'users.htpasswd', 'ada'], shown => codeAt(NOW, secretIn(shown)))
  expect([right.code, fileIn(folder)]).toEqual([0, `ada:${secretIn(right.out)}\n`])
})

test('another one takes the place of the first, and other lines and the mode stay', async () => {
  const folder = folderWith('# factors\nbob:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nada:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n')
  chmodSync(join(folder, 'users.totp'), 0o640)
  const { out } = await run(folder, ['totp', 'users.htpasswd', 'ada'])
  expect(fileIn(folder)).toBe(`# factors\nbob:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\nada:${secretIn(out)}\n`)
  expect(statSync(join(folder, 'users.totp')).mode & 0o777).toBe(0o640)
})

test('it is taken away by name, and with whoever leaves', async () => {
  const line = (name: string) => `${name}:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n`
  const folder = folderWith(line('ada') + line('bob') + line('ada'))
  expect((await run(folder, ['totp', 'users.htpasswd', 'ada', '--remove'])).code).toBe(0)
  expect(fileIn(folder)).toBe('bob:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n')
  const again = await run(folder, ['totp', 'users.htpasswd', 'ada', '--remove'])
  expect([again.code, again.err]).toEqual([1, 'ada has no second factor\n'])
  expect((await run(folder, ['remove', 'users.htpasswd', 'bob'])).code).toBe(0)
  expect(fileIn(folder)).toBe('')
})

test('nobody who is not in the file gets one, and --remove is about second factors alone', async () => {
  const folder = folderWith()
  expect(await run(folder, ['totp', 'users.htpasswd', 'eve'])).toMatchObject({ code: 1, out: '' })
  expect(await run(folder, ['passwd', 'users.htpasswd', 'ada', '--remove'])).toMatchObject({ code: 2, out: '' })
  expect(existsSync(join(folder, 'users.totp'))).toBe(false)
})
