import { expect, test } from 'bun:test'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replaceFile } from '../../src/console/replace-file.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'

const OWN = new URL('../../src/console/replace-file.ts', import.meta.url).pathname

test('a file that there is no room for is not put in place in part: what was there stays, and nothing beside it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'replace-'))
  try {
    const path = join(folder, 'people.htpasswd')
    writeFileSync(path, 'before')
    const script = `import { replaceFile } from ${JSON.stringify(OWN)}; replaceFile(${JSON.stringify(path)}, 'n'.repeat(100_000))`
    // The system writes as much as there is room for, and says how much that was.
    const limited = `trap '' XFSZ; ulimit -f 40; exec "$0" -e "$1"`
    const child = Bun.spawn(['sh', '-c', limited, process.execPath, script], { stdout: 'ignore', stderr: 'pipe' })
    const said = await new Response(child.stderr).text()
    expect([await child.exited, readFileSync(path, 'utf8'), readdirSync(folder)]).toEqual([
      1,
      'before',
      ['people.htpasswd'],
    ])
    expect(said).toContain('EFBIG')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

needs('root').test(
  'root follows a link of its own or of the file’s owner, and no other, and keeps owner and mode',
  () => {
    using folder = temporaryFolder()
    const [file, link] = [join(folder.path, 'users'), join(folder.path, 'link')]
    for (const [owner, by, isFollowed] of [
      [0, 0, true],
      [12_345, 0, true],
      [12_345, 12_345, true],
      [0, 12_345, false],
      [23_456, 12_345, false],
    ] as const) {
      writeFileSync(file, 'before')
      chmodSync(file, 0o640)
      chownSync(file, owner, owner)
      rmSync(link, { force: true })
      symlinkSync(file, link)
      lchownSync(link, by, by)
      if (isFollowed) replaceFile(link, 'after')
      else expect(() => replaceFile(link, 'after')).toThrow('name the file itself')
      const { uid, gid, mode } = statSync(file)
      expect([uid, gid, mode & 0o777]).toEqual([owner, owner, 0o640])
      expect([owner, by, readFileSync(file, 'utf8')]).toEqual([owner, by, isFollowed ? 'after' : 'before'])
    }
    expect(readdirSync(folder.path).sort()).toEqual(['link', 'users'])
  },
)
