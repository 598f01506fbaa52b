import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { type Ended, runToEnd } from './ended.ts'

/** A Debian that systemd has booted, with the loopback of this machine. Powered off, and gone, at the end of the scope. */
export interface Machine extends AsyncDisposable {
  /** Where its root is, for files that are put there. */
  readonly root: string
  run(...command: readonly string[]): Promise<Ended>
}

/** Makes a Debian of this machine's own release with mmdebstrap, and boots it with systemd-nspawn. Takes root. */
export async function bootMachine(): Promise<Machine> {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)
  const root = at('root')
  await makeRoot(at, root)
  // Nothing of a service manager out here is needed: --register and --keep-unit ask it for nothing, and /run is the machine's own.
  // pidfd_getfd, by which the sockets of workers are handed on, is what systemd-nspawn itself would refuse.
  const boot =
    'mount -t tmpfs tmpfs /run && exec systemd-nspawn --quiet --register=no --keep-unit --link-journal=no --console=pipe --system-call-filter=pidfd_getfd --machine=sallyport-test --directory="$1" --boot'
  const apart = ['unshare', '--mount', '--propagation', 'private', '--fork', '--kill-child=SIGKILL']
  const nspawn = Bun.spawn([...apart, 'sh', '-c', boot, 'sh', root], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const said = Promise.all([new Response(nspawn.stdout).text(), new Response(nspawn.stderr).text()])
  const child = (pid: number) => Number(readOrEmpty(`/proc/${pid}/task/${pid}/children`).split(' ')[0])
  const first = () => child(child(nspawn.pid))
  // Its root is named too: where this is a chroot, the namespace of mounts has the root outside of that.
  const enter = ['nsenter', '--all', '--root', '--wd']
  const run = (...command: readonly string[]) =>
    runToEnd([...enter, '--target', `${first()}`, 'env', '-i', 'LANG=C.UTF-8', `PATH=${PATH}`, ...command])
  const machine: Machine = {
    root,
    run,
    async [Symbol.asyncDispose]() {
      const leader = first()
      if (leader > 0) process.kill(leader, 'SIGKILL')
      await Promise.race([nspawn.exited, Bun.sleep(10_000)])
      nspawn.kill('SIGKILL')
      await nspawn.exited
      folder[Symbol.dispose]()
    },
  }
  try {
    await eventually(
      async () => {
        if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended: ${(await said).join('')}`)
        return first() > 0 && (await run('systemctl', 'is-system-running')).stdout.trim() === 'running'
      },
      'systemd has booted',
      60_000,
    )
    return machine
  } catch (error) {
    await machine[Symbol.asyncDispose]()
    throw error
  }
}

const PATH = '/usr/sbin:/usr/bin:/sbin:/bin'

async function makeRoot(at: (name: string) => string, root: string): Promise<void> {
  const suite = /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable'
  const succeeds = async (...command: readonly string[]) => {
    const { code, stdout, stderr } = await runToEnd(command)
    if (code !== 0) throw new Error(`${command[0]} exited ${code}: ${stderr}`)
    return stdout
  }
  // Where this machine gets its packages, and how.
  const targets = await succeeds(
    'apt-get',
    'indextargets',
    '--format',
    '$(REPO_URI)',
    'Created-By: Packages',
    'Origin: Debian',
  )
  writeFileSync(at('apt.list'), `deb ${targets.split('\n')[0]} ${suite} main\n`)
  const settings = await succeeds('apt-config', 'dump')
  const network = settings.split('\n').filter(line => /^Acquire::(https?|Retries|ForceIPv)/.test(line))
  writeFileSync(at('apt.conf'), network.filter(line => !/auto-detect/i.test(line)).join('\n'))
  const options = [
    '--quiet',
    '--variant=minbase',
    '--include=systemd,systemd-sysv,dbus,logrotate',
    `--aptopt=${at('apt.conf')}`,
  ]
  await succeeds('mmdebstrap', ...options, suite, root, at('apt.list'))
  // Made anew at the boot.
  writeFileSync(join(root, 'etc/machine-id'), '')
  mkdirSync(join(root, 'srv'), { recursive: true })
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
