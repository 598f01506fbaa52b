import { promises } from 'node:dns'
import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DnsUpdate } from '../../../src/config/keys/acme.ts'
import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { freePort } from './child.ts'

/** BIND as the primary of two zones, which take updates of TXT records signed with `key`. Ends with its scope. */
export interface Bind extends AsyncDisposable {
  readonly folder: string
  readonly port: number
  /** `127.0.0.1` with the port. */
  readonly place: string
  readonly update: DnsUpdate
  /** The key as `nsupdate -k` reads it. */
  readonly keyFile: string
  /** Texts at a name. */
  texts(name: string): Promise<readonly string[]>
  log(): string
}

const KEY = Buffer.from('a key of thirty-two bytes, known ').toString('base64')

/**
 * A resolver too, which follows from one of its zones to another, as an authority's does.
 *
 * `example.com` and `example.net`; every name in them is this machine. `_acme-challenge.moved.example.com` leads to
 * `moved.example.net`; in `example.org`, which takes no updates, to `there.example.net`.
 */
export async function startBind(): Promise<Bind> {
  const folder = temporaryFolder()
  const port = await freePort()
  const file = (name: string, text: string) => {
    writeFileSync(join(folder.path, name), text)
    return join(folder.path, name)
  }
  const keyFile = file('key', `key "sallyport" { algorithm hmac-sha256; secret "${KEY}"; };\n`)
  const zone = (name: string, more: string) =>
    file(
      `${name}.zone`,
      `$TTL 1\n@ SOA ns.${name}. root.${name}. 1 3600 600 86400 1\n@ NS ns.${name}.\n@ A 127.0.0.1\n* A 127.0.0.1\n${more}`,
    )
  const taking = 'update-policy { grant sallyport zonesub TXT; };'
  const zones = [
    ['example.com', taking, '_acme-challenge.moved CNAME moved.example.net.\n'],
    ['example.net', taking, ''],
    ['example.org', '', '_acme-challenge.app CNAME there.example.net.\n'],
  ] as const
  const config = file(
    'named.conf',
    `include "${keyFile}";
options {
  directory "${folder.path}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion yes; empty-zones-enable no; pid-file none; session-keyfile none; dnssec-validation no; notify no;
};
controls { };
${zones.map(([name, rule, more]) => `zone "${name}" { type primary; file "${zone(name, more)}"; ${rule} };`).join('\n')}
`,
  )
  // Debian's AppArmor profile holds /usr/sbin/named to folders of its own.
  const program = join(folder.path, 'named')
  const installed = Bun.which('named', { PATH: `${process.env.PATH}:/usr/sbin` })
  copyFileSync(installed ?? 'named', program)
  let log = ''
  const child = Bun.spawn([program, '-g', '-n', '1', '-c', config], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  })
  void (async () => {
    for await (const piece of child.stderr) log += Buffer.from(piece).toString('utf8')
  })()
  const place = `127.0.0.1:${port}`
  const texts = async (name: string) => {
    const resolver = new promises.Resolver()
    resolver.setServers([place])
    const records = await resolver.resolveTxt(name).catch(() => [])
    return records.map(parts => parts.join(''))
  }
  const bind: Bind = {
    folder: folder.path,
    port,
    place,
    keyFile,
    update: { kind: 'update', server: { host: '127.0.0.1', port }, zone: null, keyName: 'sallyport', key: KEY },
    texts,
    log: () => log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await child.exited
      folder[Symbol.dispose]()
    },
  }
  await eventually(() => / running$/m.test(log), 'the name server runs')
  return bind
}
