import { expect } from 'bun:test'
import { join } from 'node:path'
import { descriptorsOf } from '../../../../src/base/connections.ts'
import { listeningDescriptors } from '../../../../src/server/listen/inherited/descriptors.ts'
import { needs } from '../../../kit/needs.ts'
import { untilTheEnd } from '../../../kit/opened.ts'
import { runToEnd } from '../../../kit/programs/ended.ts'

const OWN = join(import.meta.dir, '../../../../src/server/listen/inherited/descriptors.ts')

const keep = untilTheEnd()

/** The id of a process that listens. */
async function startListener(): Promise<number> {
  const program = "Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() }); console.log('listens')"
  const child = Bun.spawn([process.execPath, '-e', program], { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' })
  keep({ [Symbol.dispose]: () => child.kill('SIGKILL') })
  for await (const _ of child.stdout) break
  return child.pid
}

needs('/proc').test(
  'of processes of which one shows nothing, no socket is left open: connections would wait there for nobody',
  async () => {
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
  },
)

needs('root', 'setpriv').test(
  'a socket that the system does not hand out is no socket that is not there: it is told, and nothing takes over',
  async () => {
    // The first process is root's: nobody else gets a descriptor of it, as nobody gets one in a sandbox without pidfd_getfd.
    const program = `
    import { listeningDescriptors } from ${JSON.stringify(OWN)}
    const shown = has => (kind, pid = 'self') => new Map(pid === 1 && has() ? [[0, 'socket:[1]']] : [])
    try { console.log(listeningDescriptors([1], shown(() => true)).descriptors.length) } catch (error) { console.log(error.code, error.message) }
    let looks = 0
    console.log(listeningDescriptors([1], shown(() => looks++ === 0)).descriptors.length)`
    const nobody = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups']
    const { stdout, stderr } = await runToEnd([...nobody, process.execPath, '-e', program])
    expect([stdout.trim().split('\n'), stderr]).toEqual([
      // Refused; and one that its process closed between two looks.
      ['listen.failed the system does not hand out the sockets of the workers (pidfd_getfd)', '0'],
      '',
    ])
  },
)
