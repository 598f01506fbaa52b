import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { NOTICES } from '../notices.ts'
import type { Target } from '../runtime.ts'
import { command } from './command.ts'
import { manualPage } from './manual.ts'
import type { Release } from './types.ts'

/** glibc of Bun's own executables: what they ask of it at most. */
const LEAST_GLIBC = '2.17'

const MAINTAINER_SCRIPTS = ['postinst', 'prerm', 'postrm']
const SHELLS = [
  ['bash', 'usr/share/bash-completion/completions/sallyport'],
  ['zsh', 'usr/share/zsh/vendor-completions/_sallyport'],
  ['fish', 'usr/share/fish/vendor_completions.d/sallyport.fish'],
] as const

/** How Debian names what an executable is for; null where no package is made of it. */
export function debianArchitecture(target: Target): 'amd64' | 'arm64' | null {
  return target === 'linux-x64' ? 'amd64' : target === 'linux-arm64' ? 'arm64' : null
}

/** A .deb: the executable, its units, its user, its manual, completions, and a folder for the file that only root and that user read. */
export async function makePackage(release: Release, target: Target, executable: string, work: string): Promise<void> {
  const { root, out, version, time } = release
  const architecture = debianArchitecture(target)
  const folder = join(work, 'deb', String(architecture))
  const put = (path: string, text: string | Uint8Array, mode = 0o644) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true, mode: 0o755 })
    writeFileSync(join(folder, path), text)
    chmodSync(join(folder, path), mode)
  }
  put('usr/bin/sallyport', '')
  copyFileSync(executable, join(folder, 'usr/bin/sallyport'))
  chmodSync(join(folder, 'usr/bin/sallyport'), 0o755)
  put(
    'usr/lib/systemd/system/sallyport.service',
    await said(root, 'service', 'systemd', '--program', '/usr/bin/sallyport'),
  )
  // Not enabled: who wants systemd to listen enables it.
  put('usr/lib/systemd/system/sallyport.socket', await said(root, 'service', 'socket', '--listen', '80,443'))
  put('usr/share/man/man1/sallyport.1.gz', Bun.gzipSync(await manualPage(release), { level: 9 }))
  put('etc/logrotate.d/sallyport', readFileSync(join(import.meta.dir, 'debian/logrotate.conf')))
  put('DEBIAN/conffiles', '/etc/logrotate.d/sallyport\n')
  put('usr/lib/sysusers.d/sallyport.conf', readFileSync(join(import.meta.dir, 'debian/sysusers.conf')))
  for (const [shell, path] of SHELLS) put(path, await said(root, 'completion', shell))
  put('usr/share/doc/sallyport/copyright', readFileSync(join(root, 'LICENSE')))
  put(`usr/share/doc/sallyport/${NOTICES}`, readFileSync(join(dirname(executable), NOTICES)))
  put('usr/share/doc/sallyport/README.md', readFileSync(join(root, 'README.md')))
  put('usr/share/doc/sallyport/changelog.gz', Bun.gzipSync(readFileSync(join(root, 'CHANGELOG.md')), { level: 9 }))
  mkdirSync(join(folder, 'etc/sallyport'), { recursive: true })
  for (const name of MAINTAINER_SCRIPTS) {
    put(`DEBIAN/${name}`, readFileSync(join(import.meta.dir, 'debian', name)), 0o755)
  }
  put(
    'DEBIAN/control',
    `Package: sallyport
Version: ${version}
Architecture: ${architecture}
Maintainer: The Sallyport authors <sallyport@localhost>
Installed-Size: ${Math.ceil(statSync(executable).size / 1024)}
Depends: libc6 (>= ${LEAST_GLIBC})
Recommends: ca-certificates, systemd
Section: httpd
Priority: optional
Description: authenticating reverse proxy with OpenID Connect sign-in
 One executable and one routes.toml in front of every service: signs people in
 at Pocket ID or any other OpenID Connect provider, lets through what the file
 says, and tells the services who is there.
`,
  )
  const file = join(out, `sallyport_${version}_${architecture}.deb`)
  // One thread: how the work is shared out shows in the bytes.
  const how = ['--root-owner-group', '-Zzstd', '-z9', '--threads-max=1']
  await command(['dpkg-deb', ...how, '--build', folder, file], root, { SOURCE_DATE_EPOCH: String(time) })
}

/** What the program of this checkout prints. */
async function said(root: string, ...args: readonly string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, 'src/main.ts', ...args], { cwd: root, stdin: 'ignore', stdout: 'pipe' })
  const text = await new Response(child.stdout).text()
  if ((await child.exited) !== 0) throw new Error(`sallyport ${args.join(' ')} failed`)
  return text
}
