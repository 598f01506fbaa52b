import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { version as bunVersion } from 'bun'

/** An entry of package-lock.json. */
export interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
}

export type Lock = Readonly<Record<string, LockedPackage>>

/** What is part of something else: its name, its licence, and where it is. */
interface Part {
  readonly name: string
  /** An SPDX expression, or what its authors call a collection of licences. */
  readonly license: string
  readonly url: string
}

/** The name of the file, beside each executable. */
export const NOTICES = 'THIRD-PARTY-NOTICES'

/** What Bun's own list (LICENSE.md of its repository) says that its executable contains, on the platforms that we build for. */
export const BUN_PARTS: readonly Part[] = [
  { name: 'JavaScriptCore and WebKit', license: 'LGPL-2.1-or-later', url: 'https://github.com/oven-sh/WebKit' },
  { name: 'tinycc', license: 'LGPL-2.1-only', url: 'https://github.com/tinycc/tinycc' },
  { name: 'BoringSSL', license: 'several', url: 'https://boringssl.googlesource.com/boringssl' },
  { name: 'ICU', license: 'Unicode-3.0', url: 'https://github.com/unicode-org/icu' },
  { name: 'libarchive', license: 'several', url: 'https://github.com/libarchive/libarchive' },
  { name: 'brotli', license: 'MIT', url: 'https://github.com/google/brotli' },
  { name: 'c-ares', license: 'MIT', url: 'https://github.com/c-ares/c-ares' },
  { name: 'highway', license: 'Apache-2.0', url: 'https://github.com/google/highway' },
  { name: 'libbase64', license: 'BSD-2-Clause', url: 'https://github.com/aklomp/base64' },
  { name: 'libdeflate', license: 'MIT', url: 'https://github.com/ebiggers/libdeflate' },
  {
    name: 'libjpeg-turbo',
    license: 'BSD-3-Clause AND IJG AND Zlib',
    url: 'https://github.com/libjpeg-turbo/libjpeg-turbo',
  },
  { name: 'libspng', license: 'BSD-2-Clause', url: 'https://github.com/randy408/libspng' },
  { name: 'libwebp', license: 'BSD-3-Clause', url: 'https://github.com/webmproject/libwebp' },
  { name: 'lol-html', license: 'BSD-3-Clause', url: 'https://github.com/cloudflare/lol-html' },
  { name: 'ls-hpack', license: 'MIT', url: 'https://github.com/litespeedtech/ls-hpack' },
  { name: 'ls-qpack', license: 'MIT', url: 'https://github.com/litespeedtech/ls-qpack' },
  { name: 'lsquic', license: 'MIT AND BSD-3-Clause', url: 'https://github.com/litespeedtech/lsquic' },
  { name: 'mimalloc', license: 'MIT', url: 'https://github.com/microsoft/mimalloc' },
  {
    name: 'picohttpparser',
    license: 'MIT OR Artistic-1.0-Perl OR GPL-1.0-or-later',
    url: 'https://github.com/h2o/picohttpparser',
  },
  { name: 'simdutf', license: 'Apache-2.0', url: 'https://github.com/simdutf/simdutf' },
  { name: 'TigerBeetle, parts of its I/O', license: 'Apache-2.0', url: 'https://github.com/tigerbeetle/tigerbeetle' },
  {
    name: 'LLVM libc++abi, one fallback',
    license: 'Apache-2.0 WITH LLVM-exception',
    url: 'https://github.com/llvm/llvm-project',
  },
  { name: 'uSockets', license: 'Apache-2.0', url: 'https://github.com/uNetworking/uSockets' },
  { name: 'uWebSockets, a fork', license: 'Apache-2.0', url: 'https://github.com/jarred-sumner/uwebsockets' },
  { name: 'uucode', license: 'MIT', url: 'https://github.com/jacobsandlund/uucode' },
  { name: 'zlib-ng', license: 'Zlib', url: 'https://github.com/zlib-ng/zlib-ng' },
  { name: 'zstd', license: 'BSD-3-Clause OR GPL-2.0-only', url: 'https://github.com/facebook/zstd' },
]

/** Packages of npm that Bun's list says it has inside; all of them are under the MIT licence. */
const BUN_POLYFILLS =
  'acorn acorn-walk assert browserify-zlib buffer constants-browserify crypto-browserify domain-browser events https-browserify os-browserify path-browserify process punycode querystring-es3 stream-browserify stream-http string_decoder timers-browserify tty-browserify url util vm-browserify'

/** What a package's repository says where the package itself says nothing, and brings no text. */
const UNSTATED: Readonly<Record<string, Omit<Part, 'name'>>> = {
  '@redis/client': { license: 'MIT', url: 'https://github.com/redis/node-redis' },
  '@tombi-toml/wasm-lib': { license: 'MIT', url: 'https://github.com/tombi-toml/tombi' },
}

/** The packages of package-lock.json. */
export function readLock(root: string): Lock {
  const { packages }: { readonly packages: Lock } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  return packages
}

/** Those that go into the executable: all but this one, and what is for development alone; each by its folder. */
export function shippedPackages(lock: Lock): readonly (readonly [string, LockedPackage])[] {
  return Object.entries(lock).filter(([path, { dev }]) => path !== '' && dev !== true)
}

/** The name of the package in a folder. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** The licence of a package, as an SPDX expression; undefined where neither it nor its repository says. */
export function licenseOf(root: string, path: string, { license }: LockedPackage): string | undefined {
  if (license !== undefined) return license
  const file = join(root, path, 'package.json')
  const stated: { license?: unknown } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  return typeof stated.license === 'string' ? stated.license : UNSTATED[nameOf(path)]?.license
}

/**
 * Who made what is inside an executable, and under which licence: the text of THIRD-PARTY-NOTICES. Throws Error for a package whose
 * licence is not known, or that brings no text of it and is not known to bring none.
 */
export function noticesText(root: string): string {
  const packages = shippedPackages(readLock(root)).map(([path, one]) => {
    const name = nameOf(path)
    const license = licenseOf(root, path, one)
    const texts = licenseTexts(join(root, path))
    const elsewhere = UNSTATED[name]
    if (license === undefined || (texts.length === 0 && elsewhere === undefined)) {
      throw new Error(`${path} brings no licence: find it, and name it in .ci/notices.ts`)
    }
    const source = texts.length === 0 ? `The package brings no text of it: see ${elsewhere?.url}` : texts.join('\n\n')
    return `${RULE}\n${name} ${one.version}\nLicence: ${license}\n\n${source}\n`
  })
  const parts = BUN_PARTS.map(({ name, license, url }) => `- ${name}: ${license}\n  ${url}`)
  return `What Sallyport's executable contains that others made.

Sallyport itself is under the MIT licence, whose text is in LICENSE.

${RULE}
Bun ${bunVersion}
Licence: MIT
https://github.com/oven-sh/bun

The executable is Bun with Sallyport's program in it. Bun is linked with the following, by its own list at
https://github.com/oven-sh/bun/blob/main/LICENSE.md. The sources of each are at its address. What is under the LGPL can be
changed and linked anew: that list says how Bun is built with another WebKit, and \`bun run build\` in Sallyport's own
repository, which holds all of its source, makes the executable with that Bun.

${parts.join('\n')}
- These packages of npm, each under the MIT licence, at https://www.npmjs.com/package/NAME:
${BUN_POLYFILLS.split(' ')
  .map(name => `  ${name}`)
  .join('\n')}

${packages.join('\n')}`
}

const RULE = '-'.repeat(80)

/** The texts that a package brings, by name. */
function licenseTexts(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter(name => /^(licen[cs]e|copying|notice|disclaimer)\b/i.test(name))
    .sort()
    .map(name => readFileSync(join(folder, name), 'utf8').trim())
}
