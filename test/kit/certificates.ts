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
        const result = ['-in', 'request', '-out', 'cert', '-extfile', 'extensions']
        if (isExpired) {
          writeFileSync(join(folder, 'register'), '')
          writeFileSync(join(folder, 'ca'), REGISTER)
          const years = ['-startdate', '20200101000000Z', '-enddate', '20200201000000Z']
          openssl(folder, ['ca', '-batch', '-config', 'ca', ...years, ...result])
        } else {
          const by = ['-CA', 'ca-cert', '-CAkey', 'ca-key', '-CAcreateserial', '-days', '2']
          openssl(folder, ['x509', '-req', ...by, ...result])
        }
        return read(folder)
      }),
  }
}

const REQUEST = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** OpenSSL 3.0 dates a certificate freely only for an authority that keeps a register. */
const REGISTER = `[ca]
default_ca = own
[own]
certificate = ca-cert
private_key = ca-key
database = register
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
`

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
