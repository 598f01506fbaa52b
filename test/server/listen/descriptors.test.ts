import { expect, test } from 'bun:test'
import { descriptorsOf } from '../../../src/base/system/open-descriptors.ts'
import { listeningDescriptors } from '../../../src/server/listen/handed/descriptors.ts'
import { untilTheEnd } from '../../kit/opened.ts'

const keep = untilTheEnd()

/** The id of a process that listens. */
async function startListener(): Promise<number> {
  const program = "Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() }); console.log('listens')"
  const child = Bun.spawn([process.execPath, '-e', program], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
  keep({ [Symbol.dispose]: () => child.kill('SIGKILL') })
  for await (const _ of child.stdout) break
  return child.pid
}

test('of processes of which one shows nothing, no socket is left open: connections would wait there for nobody', async () => {
  const [one, other] = [await startListener(), await startListener()]
  const shared = () => {
    const ours = new Set(descriptorsOf('socket:').values())
    return [one, other].flatMap(pid => [...descriptorsOf('socket:', pid).values()]).filter(socket => ours.has(socket))
  }
  const taken = listeningDescriptors([one, other])
  expect(shared()).toHaveLength(2)
  taken.closeCopies()
  const gone = (kind: string, pid?: number | 'self') => {
    // As the system answers of one that has ended and was not waited for yet.
    if (pid === other) throw new Error('EACCES')
    return descriptorsOf(kind, pid)
  }
  expect(() => listeningDescriptors([one, other], gone)).toThrow('EACCES')
  expect(shared()).toEqual([])
})
