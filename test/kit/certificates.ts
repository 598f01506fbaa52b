import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'

/** A certificate and its key as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority of a test's own. Nobody trusts it who is not told to. */
export interface Authority extends Certificate {
  /** A certificate for these names (`DNS:…`, `IP:…`), valid now or, if `isExpired`, years ago. */
  issue(names: string, options?: { readonly isExpired?: boolean }): Certificate
}

/** A new authority, made by the openssl command. */
export function makeAuthority(commonName = 'Test authority'): Authority {
  const own = inFolder(folder => {
    openssl(folder, [...REQUEST, '-x509', '-keyout', 'key', '-out', 'cert', '-days', '2', '-subj', `/CN=${commonName}`])
    return read(folder)
  })
  return {
    ...own,
    issue: (names, { isExpired = false } = {}) =>
      inFolder(folder => {
        for (const part of ['cert', 'key'] as const) writeFileSync(join(folder, `ca-${part}`), own[part])
        writeFileSync(join(folder, 'extensions'), `subjectAltName=${names}\n`)
        openssl(folder, [...REQUEST, '-keyout', 'key', '-out', 'request', '-subj', '/CN=test'])
        const validity = isExpired
          ? ['-not_before', '20200101000000Z', '-not_after', '20200201000000Z']
          : ['-days', '2']
        const authority = ['-CA', 'ca-cert', '-CAkey', 'ca-key', '-CAcreateserial']
        openssl(folder, [
          'x509',
          '-req',
          '-in',
          'request',
          '-out',
          'cert',
          '-extfile',
          'extensions',
          ...authority,
          ...validity,
        ])
        return read(folder)
      }),
  }
}

const REQUEST = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function inFolder(work: (folder: string) => Certificate): Certificate {
  using folder = temporaryFolder()
  const inside = join(folder.path, 'pem')
  mkdirSync(inside)
  return work(inside)
}

function read(folder: string): Certificate {
  return { cert: readFileSync(join(folder, 'cert'), 'utf8'), key: readFileSync(join(folder, 'key'), 'utf8') }
}

function openssl(folder: string, args: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(['openssl', ...args], { cwd: folder, stdin: 'ignore' })
  if (exitCode !== 0) throw new Error(`openssl ${args[0]} failed:\n${stderr}`)
}
