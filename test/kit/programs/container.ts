import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { record, testPlace } from '../log/record.ts'
import { compiledBinary } from './binary.ts'

const ROOT = join(import.meta.dir, '../../..')

/** What an image says of how it is run: Docker's format, which has a health check. */
export interface ImageConfig {
  readonly User: string
  readonly Env: readonly string[]
  readonly WorkingDir: string
  readonly Volumes: Readonly<Record<string, unknown>>
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly Healthcheck: Readonly<{ Test: readonly string[]; Interval: number; Timeout: number; StartPeriod: number }>
}

/** The image of this checkout, unpacked. Gone at the end of the scope. */
export interface Image {
  readonly config: ImageConfig
  /** Its files. A container that may write writes here. */
  readonly root: string
  [Symbol.dispose](): void
}

/** A folder of this machine in a container. */
interface Mount {
  readonly from: string
  readonly to: string
  readonly isReadOnly: boolean
}

export interface ContainerOptions {
  readonly mounts: readonly Mount[]
  readonly env?: Readonly<Record<string, string>>
  readonly isReadOnly: boolean
  /** In place of what the image runs. */
  readonly command?: readonly string[]
}

/** A program in a container, where it is process 1. Killed at the end of the scope. */
export interface Container extends AsyncDisposable {
  /** Its process, as this machine numbers it. */
  readonly pid: number
  /** Its code, once all that it said is in `output`. */
  readonly exited: Promise<number>
  output(): string
}

/**
 * Builds the Containerfile with buildah, every step of it, from bases made of this machine's own files: npm and the packages of
 * this checkout for the first stage, the C library for the second. Nothing is fetched. Takes root.
 */
export async function buildImage(): Promise<Image> {
  const folder = temporaryFolder()
  const at = (name: string) => join(folder.path, name)
  const buildah = async (...args: readonly string[]) => {
    const storage = ['--root', at('storage'), '--runroot', at('run'), '--storage-driver', 'vfs']
    const child = Bun.spawn(['buildah', ...storage, ...args], {
      cwd: ROOT,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    const [code, stdout, stderr] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ])
    if (code !== 0) throw new Error(`buildah ${args[0]} exited ${code}: ${stdout}${stderr}`)
    return stdout.trim()
  }
  const build = (tag: string, context: string, ...more: readonly string[]) =>
    buildah('build', '--isolation', 'chroot', '--format', 'docker', '--tag', `localhost/${tag}`, ...more, context)
  try {
    writeFileSync(at('base'), 'FROM scratch\nCOPY . /\n')
    await build('tools', makeTools(at('tools')), '--file', at('base'))
    await build('libc', await makeLibc(at('libc')), '--file', at('base'))
    const bases = ['--build-arg', 'BUILD_IMAGE=localhost/tools', '--build-arg', 'BASE_IMAGE=localhost/libc']
    const lent = ['--volume', '/usr:/usr:ro', '--volume', `${join(ROOT, 'node_modules')}:/src/node_modules:ro`]
    await build('sallyport', '.', ...bases, ...lent, ...ownLimits())
    const inspected: { readonly Docker: { readonly config: ImageConfig } } = JSON.parse(
      await buildah('inspect', '--type', 'image', 'localhost/sallyport'),
    )
    const root = await buildah('mount', await buildah('from', 'localhost/sallyport'))
    return { config: inspected.Docker.config, root, [Symbol.dispose]: () => folder[Symbol.dispose]() }
  } catch (error) {
    folder[Symbol.dispose]()
    throw error
  }
}

/** A root whose programs are those of this machine, lent by a mount on /usr. */
function makeTools(path: string): string {
  mkdirSync(join(path, 'tmp'), { recursive: true })
  for (const name of ['bin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(path, name))
  return path
}

/** A root that has what the executable needs to be loaded, and nothing else. */
export async function makeLibc(path: string): Promise<string> {
  const { stdout } = Bun.spawnSync(['ldd', await compiledBinary()])
  for (const [file] of stdout.toString().matchAll(/\/\S+/g)) {
    mkdirSync(dirname(join(path, file)), { recursive: true })
    writeFileSync(join(path, file), readFileSync(file), { mode: 0o755 })
  }
  mkdirSync(join(path, 'tmp'), { mode: 0o1777 })
  return path
}

/** buildah raises the limits of what it runs to a million each, which not every machine lets it. */
function ownLimits(): readonly string[] {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const limitOf = (line: RegExp) => /^\d+$/.exec(line.exec(limits)?.[1] ?? '')?.[0]
  const [files, processes] = [limitOf(/^Max open files +\S+ +(\S+)/m), limitOf(/^Max processes +\S+ +(\S+)/m)]
  return [
    ...(files === undefined ? [] : ['--ulimit', `nofile=${files}:${files}`]),
    ...(processes === undefined ? [] : ['--ulimit', `nproc=${processes}:${processes}`]),
  ]
}

/** $1 where to write the process's number, $2 the root; then "ro" or "rw" with pairs of folders, up to a "--". */
const ENTER = `
set -e
read -r pid _ </proc/self/stat
echo "$pid" >"$1"
root=$2 mode=$3
shift 3
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mount --bind "$2" "$root$3"
  [ "$1" = rw ] || mount -o remount,bind,ro "$root$3"
  shift 3
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
exec "$@"
`

/**
 * Runs an image as an engine does, with its user, its folder and its variables: a root of its own, mounts and processes of its
 * own, no way to more rights. The network is this machine's. Takes root.
 */
export async function runContainer({ config, root }: Image, options: ContainerOptions): Promise<Container> {
  using folder = temporaryFolder()
  const pidFile = join(folder.path, 'pid')
  for (const name of ['proc', 'dev', ...options.mounts.map(({ to }) => to)]) {
    mkdirSync(join(root, name), { recursive: true })
  }
  const [uid = '', gid = ''] = config.User.split(':')
  const env = [...config.Env, ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)]
  const as = ['--root', root, '--wd', config.WorkingDir, '--setgid', gid, '--setuid', uid]
  const mode = (isReadOnly: boolean) => (isReadOnly ? 'ro' : 'rw')
  const child = Bun.spawn(
    [
      ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
      ...['sh', '-c', ENTER, 'sh', pidFile, root, mode(options.isReadOnly)],
      ...options.mounts.flatMap(({ from, to, isReadOnly }) => [mode(isReadOnly), from, to]),
      ...['--', 'env', '-i', ...env, 'setpriv', '--no-new-privs', 'unshare', ...as],
      ...(options.command ?? [...config.Entrypoint, ...config.Cmd]),
    ],
    { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' },
  )
  const place = testPlace()
  let output = ''
  const readings = [child.stdout, child.stderr].map(async stream => {
    for await (const piece of stream) output += Buffer.from(piece).toString('utf8')
  })
  // Its last words may be read only after its end is known.
  const exited = Promise.all([child.exited, ...readings]).then(([code]) => {
    record(place, output)
    return code
  })
  const pidText = () => {
    try {
      return readFileSync(pidFile, 'utf8')
    } catch {
      return ''
    }
  }
  await eventually(() => pidText().endsWith('\n') || child.exitCode !== null, 'the container starts')
  const pid = Number(pidText())
  return {
    pid,
    exited,
    output: () => output,
    async [Symbol.asyncDispose]() {
      // With its process 1 all others end. That it dies with its parent is forgotten where it takes another user.
      if (child.exitCode === null && pid > 1) process.kill(pid, 'SIGKILL')
      await exited
    },
  }
}
