import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
