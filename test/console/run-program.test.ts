import { expect, test } from 'bun:test'
import { capture, findProgram } from '../../src/console/run-program.ts'
import { signalOne } from '../kit/programs/ended.ts'

const limits = { cwd: '/', timeoutMs: 60_000, maxBytes: 1000 }

test('what a program writes is answered, with its exit code', async () => {
  const ran = await capture(['/bin/sh', '-c', 'cat; echo oh >&2; exit 3'], { ...limits, stdin: 'read' })
  expect(ran).toEqual({ end: 'exited', code: 3, stdout: 'read', stderr: 'oh\n' })
})

test('a program reads nothing where there is nothing for it', async () => {
  expect(await capture(['/bin/cat'], limits)).toEqual({ end: 'exited', code: 0, stdout: '', stderr: '' })
})

test('a program that writes too much is killed', async () => {
  const { end, code } = await capture(['yes'], limits)
  expect([end, code]).toEqual(['too long', null])
})

test('a program that takes too long is killed, whoever else has its output open', async () => {
  const script = 'sleep 300 & echo $!; exec sleep 300'
  let pid = ''
  // A busy machine may take long to come as far as that.
  for (let timeoutMs = 500; pid === ''; timeoutMs *= 2) {
    const { end, code, stdout } = await capture(['/bin/sh', '-c', script], { ...limits, timeoutMs })
    expect([end, code]).toEqual(['too late', null])
    pid = stdout
  }
  signalOne(pid, 'SIGTERM')
})

test('a program that is not there throws what the platform throws', async () => {
  await expect(capture(['/nowhere/caddy'], limits)).rejects.toThrow('ENOENT')
})

test('a program is found on the PATH that is said, and on no other', () => {
  expect(findProgram('sh', '/bin:/usr/bin')).toEndWith('/sh')
  expect(findProgram('sh', undefined)).toBeNull()
  expect(findProgram('sh', '/nowhere')).toBeNull()
})
