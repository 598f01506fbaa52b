import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from './folder.ts'
import { isProgramHere } from './needs.ts'

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
  if (!isProgramHere('openssl')) return { ...NOBODY, issue: () => NOBODY }
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

/** Where nothing can be issued: a file that opens listeners for all of its tests loads with it. Those tests say that they need openssl. */
const NOBODY: Certificate = {
  cert: `-----BEGIN CERTIFICATE-----
MIIBijCCAS+gAwIBAgIUaVOxwvy4mb91krmmwU4arqx/I4gwCgYIKoZIzj0EAwIw
GTEXMBUGA1UEAwwObm9ib2R5LmludmFsaWQwIBcNMjYxMTI5MDQyNDU4WhgPMjEy
NjExMDUwNDI0NThaMBkxFzAVBgNVBAMMDm5vYm9keS5pbnZhbGlkMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEZ7SoixMP+Ge8kZmqVy9ypmGG8Fmbe+62NiVUWjgf
FpMtYAFxmWipIx9VizMB33qtM+ZBE3Xnd46T+vbJk/TOV6NTMFEwHQYDVR0OBBYE
FBvZri2zoxDaQYM+GK5xqknbzDooMB8GA1UdIwQYMBaAFBvZri2zoxDaQYM+GK5x
qknbzDooMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAM+UER+R
kvGIhdGAR6uQAp9fl+t1QXcBWull1EhMM+D4AiEAlx7whTtGr3kf9UMky1hSVejq
Xbwh6cKXQOhtqZAhwkc=
-----END CERTIFICATE-----
`,
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2AMVz7RMz0c42ILz
0K0RmZQ4ErLTezYNW34HZIFqRzihRANCAARntKiLEw/4Z7yRmapXL3KmYYbwWZt7
7rY2JVRaOB8Wky1gAXGZaKkjH1WLMwHfeq0z5kETded3jpP69smT9M5X
-----END PRIVATE KEY-----
`,
}
