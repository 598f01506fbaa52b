import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { whyUnwritten } from '../../src/console/replace-file.ts'
import { temporaryFolder } from '../kit/folder.ts'

function why(path: string): string {
  try {
    writeFileSync(path, 'text')
  } catch (error) {
    return whyUnwritten(path, error)
  }
  throw new TypeError(`${path} could be written`)
}

test('what cannot be written is told with the reason, and what to do', () => {
  using folder = temporaryFolder()
  const at = (path: string) => join(folder.path, path)
  writeFileSync(at('file'), '')
  expect(why(at('none/routes.toml'))).toContain(`mkdir -p ${at('none')} makes it`)
  expect(why(at('file/routes.toml'))).toContain('is a file, not a folder')
  expect(why(folder.path)).toContain('name a file in it')
})

test.each([
  ['EACCES', 'this user may not write in /etc/sallyport'],
  ['EPERM', 'this user may not write in /etc/sallyport'],
  ['EROFS', 'mounted read-only'],
  ['ENOSPC', 'no room is left'],
  ['EIO', 'cannot be written (EIO)'],
])('%s is said in words', (code, say) => {
  expect(whyUnwritten('/etc/sallyport/routes.toml', Object.assign(new Error(code), { code }))).toContain(say)
})
