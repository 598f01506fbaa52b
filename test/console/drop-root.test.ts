import { expect, test } from 'bun:test'
import { chmodSync, chownSync, lchownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { groupForSecrets, mayChangeWayTo, openToRead, storeUserOf } from '../../src/console/drop-root.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { needs } from '../kit/needs.ts'

const OWN = new URL('../../src/console/drop-root.ts', import.meta.url).pathname
/** A user that no list has. */
const SERVICE = 54_321

/** A folder below a temporary one of root's, and the path of a database in it. */
function folderOf(base: string, name: string, uid: number, gid: number, mode: number): string {
  const path = join(base, name)
  mkdirSync(path)
  chownSync(path, uid, gid)
  chmodSync(path, mode)
  return join(path, 'sallyport.db')
}

needs('root', '/proc').describe('whom a command of root becomes', () => {
  test('is the owner of the folder, with the groups that the system lists, and never with root’s group by chance', () => {
    using folder = temporaryFolder()
    const inFolder = (name: string, uid: number, gid: number) =>
      storeUserOf(folderOf(folder.path, name, uid, gid, 0o755))
    expect(inFolder('a', SERVICE, 777)).toEqual({ uid: SERVICE, gid: 777, groups: [] })
    expect(inFolder('b', SERVICE, 0)).toEqual({ uid: SERVICE, gid: SERVICE, groups: [] })
    expect(inFolder('c', 65_534, 0)).toMatchObject({ uid: 65_534, gid: 65_534 })
    expect(inFolder('d', 0, 0)).toBeNull()
  })

  test('is the owner of the database where the folder is root’s and others may write there, and else it refuses', () => {
    using folder = temporaryFolder()
    const said = 'others than root may write there'
    for (const [name, mode] of [
      ['all', 0o777],
      ['group', 0o770],
      ['sticky', 0o1777],
    ] as const) {
      const path = folderOf(folder.path, name, 0, 2000, mode)
      expect(() => storeUserOf(path)).toThrow(said)
      symlinkSync('/dev/null', path)
      lchownSync(path, SERVICE, SERVICE)
      expect(() => storeUserOf(path)).toThrow(said)
    }
    const path = folderOf(folder.path, 'known', 0, 2000, 0o770)
    writeFileSync(path, '')
    chownSync(path, SERVICE, 3000)
    expect(storeUserOf(path)).toEqual({ uid: SERVICE, gid: 3000, groups: [2000] })
  })

  test('is nobody where a folder of root’s is reached by way of somebody else’s: it refuses', () => {
    using folder = temporaryFolder()
    folderOf(folder.path, 'theirs', SERVICE, SERVICE, 0o755)
    const below = folderOf(join(folder.path, 'theirs'), 'roots', 0, 0, 0o700)
    expect(() => storeUserOf(below)).toThrow('others than root may write there')
    const path = folderOf(folder.path, 'roots', 0, 0, 0o700)
    symlinkSync(join(folder.path, 'roots'), join(folder.path, 'link'))
    expect(storeUserOf(join(folder.path, 'link', 'sallyport.db'))).toBeNull()
    lchownSync(join(folder.path, 'link'), SERVICE, SERVICE)
    expect(() => storeUserOf(join(folder.path, 'link', 'sallyport.db'))).toThrow('others than root may write there')
    expect(storeUserOf(path)).toBeNull()
    expect(() => storeUserOf(join(folder.path, 'nowhere', 'sallyport.db'))).toThrow('there is no folder')
  })

  test('may change the way to what lies in its folders, or behind its links, and to nothing else', () => {
    using folder = temporaryFolder()
    const user = { uid: SERVICE, gid: SERVICE, groups: [2000] }
    const may = (name: string, uid: number, gid: number, mode: number) =>
      mayChangeWayTo(folderOf(folder.path, name, uid, gid, mode), user)
    expect(may('own', SERVICE, 0, 0o555)).toBe(true)
    expect(may('all', 0, 0, 0o777)).toBe(true)
    expect(may('group', 0, 2000, 0o770)).toBe(true)
    expect(may('other-group', 1, 1, 0o770)).toBe(false)
    expect(may('sticky', 0, 0, 0o1777)).toBe(false)
    expect(may('alice', 1000, 1000, 0o755)).toBe(false)
    symlinkSync('/etc/passwd', join(folder.path, 'link'))
    expect(mayChangeWayTo(join(folder.path, 'link'), user)).toBe(false)
    lchownSync(join(folder.path, 'link'), SERVICE, SERVICE)
    expect(mayChangeWayTo(join(folder.path, 'link'), user)).toBe(true)
    expect(openToRead(join(folder.path, 'absent'))).toBeNull()
  })

  test('gets its group for a secret of root’s in a folder of root’s with that group, and nowhere else', () => {
    using folder = temporaryFolder()
    const service = { uid: SERVICE, gid: 2000, groups: [3000] }
    let count = 0
    const groupIn = (uid: number, gid: number, mode: number, base = folder.path) =>
      groupForSecrets(dirname(folderOf(base, `folder-${++count}`, uid, gid, mode)), service)
    expect([groupIn(0, 2000, 0o750), groupIn(0, 2000, 0o2755)]).toEqual([2000, 2000])
    // Root's own group, another, another's folder, one that others or the group may write in, and one that is not there.
    expect([groupIn(0, 0, 0o750), groupIn(0, 3000, 0o750), groupIn(SERVICE, 2000, 0o750)]).toEqual([null, null, null])
    expect([groupIn(0, 2000, 0o757), groupIn(0, 2000, 0o770), groupIn(0, 2000, 0o1777)]).toEqual([null, null, null])
    expect(groupForSecrets(join(folder.path, 'absent'), service)).toBeNull()
    const ours = folderOf(folder.path, 'ours', 0, 2000, 0o750)
    expect(groupForSecrets(dirname(ours), null)).toBeNull()
    expect(groupForSecrets(dirname(ours), { ...service, gid: 0 })).toBeNull()
    // What somebody else may put another folder in place of, or leads to by a link of theirs.
    folderOf(folder.path, 'theirs', SERVICE, SERVICE, 0o755)
    expect(groupIn(0, 2000, 0o750, join(folder.path, 'theirs'))).toBeNull()
    symlinkSync(dirname(ours), join(folder.path, 'link'))
    expect(groupForSecrets(join(folder.path, 'link'), service)).toBe(2000)
    lchownSync(join(folder.path, 'link'), SERVICE, SERVICE)
    expect(groupForSecrets(join(folder.path, 'link'), service)).toBeNull()
  })

  test('is that user on every thread, with none of root’s rights, and never root again', async () => {
    const script = `
      import { readdirSync, readFileSync } from 'node:fs'
      import { becomeStoreUser } from ${JSON.stringify(OWN)}
      new Worker('data:text/javascript,postMessage(1);setInterval(() => {}, 1000)').onmessage = () => {
        becomeStoreUser({ uid: ${SERVICE}, gid: 777, groups: [888] })
        const state = task => /Uid:.*|Gid:.*|Groups:.*|CapEff:.*|CapPrm:.*/g
        const all = readdirSync('/proc/self/task').map(task =>
          readFileSync('/proc/self/task/' + task + '/status', 'utf8').match(state()).join(' ').replace(/\\s+/g, ' '))
        let back = 'none'
        try { process.setuid(0); back = 'setuid' } catch {}
        try { process.seteuid(0); back = 'seteuid' } catch {}
        console.log(JSON.stringify({ states: [...new Set(all)], isMany: all.length > 1, back }))
        process.exit(0)
      }`
    const child = Bun.spawn([process.execPath, '-e', script], { cwd: '/', stdout: 'pipe', stderr: 'pipe' })
    const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()])
    expect([await child.exited, err]).toEqual([0, ''])
    const none = '0000000000000000'
    const [uid, gid] = [SERVICE, 777].map(id => `${id} ${id} ${id} ${id}`)
    expect(JSON.parse(out)).toEqual({
      states: [`Uid: ${uid} Gid: ${gid} Groups: 888 CapPrm: ${none} CapEff: ${none}`],
      isMany: true,
      back: 'none',
    })
  })
})
