import { existsSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { Ports } from '../../base/ports.ts'
import { readHtpasswd, readTotp } from '../../config/values/htpasswd.ts'
import { isUsersToml, userNameFault } from '../../config/values/users-file.ts'
import { EXIT } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { readWhole, writeWhole } from './lines.ts'
import { addTable, makeUserId } from './tables.ts'
import { totpFileOf } from './totp.ts'

/**
 * Makes a users.toml of a file of lines and of the second factors beside it, which stay as they are. Answers the exit code. Throws
 * `config.unreadable`.
 */
export function convertUsers(
  { from, to }: { readonly from: string; readonly to: string },
  io: Io,
  ports: Pick<Ports, 'now' | 'random'>,
): number {
  const [source, target] = [resolve(io.cwd, from), resolve(io.cwd, to)]
  const whyNot =
    !isUsersToml(to) || isUsersToml(from)
      ? 'convert makes a file that ends in .toml of one that does not'
      : !existsSync(source)
        ? `${from} does not exist`
        : existsSync(target)
          ? `${to} exists already, and is left as it is`
          : null
  if (whyNot !== null) return failed(whyNot, io)
  const users = readHtpasswd(readWhole(source, io))
  const factors = readTotp(readWhole(totpFileOf(source), io))
  const faults = [
    ...users.faults.map(fault => `${fault} of ${from}`),
    ...factors.faults.map(fault => `${fault} of ${totpFileOf(from)}`),
    ...[...users.entries.keys()].flatMap(name => {
      const fault = userNameFault(name)
      return fault === null ? [] : [`a name of ${from} ${fault}`]
    }),
  ]
  if (faults.length > 0) return failed(faults.join('\n'), io)
  const created = new Date(ports.now())
  let text = ''
  for (const [name, hash] of users.entries) {
    const totp = factors.entries.get(name)
    const second = totp === undefined ? {} : { totp }
    text = addTable(target, text, name, { id: makeUserId(ports), hash, ...second, created })
  }
  // The server that reads the old one has to be able to read the new one.
  writeWhole(target, text, source)
  const factorsHint = factors.entries.size === 0 ? '' : ', and take totp out'
  io.stderr(
    `Written: ${to}, with ${users.entries.size} users. Name it in routes.toml in place of ${basename(from)}${factorsHint}. Everyone then signs in again; API tokens, guest links, MCP clients and granted roles of these users end, and are made anew.\n`,
  )
  return EXIT.ok
}

function failed(message: string, io: Io): number {
  io.stderr(`${message}\n`)
  return EXIT.failed
}
