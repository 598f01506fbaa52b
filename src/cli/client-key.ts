/** `sallyport client-key`: shows the public keys by which a gate authenticates at a provider (private_key_jwt). */

import { resolve } from 'node:path'
import { showJson } from '../base/control-characters.ts'
import { whyUnreadable } from '../config/text/substitute.ts'
import { parseClientKey } from '../config/values/pem.ts'
import { EXIT, failWith, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { publicClientKey } from '../identity/tokens/client-authentication.ts'

export const USAGE = {
  text: `usage: sallyport client-key FILE

Prints the public half of the private key that client_key names, as a JSON Web Key Set (RFC 7517). Register it at the provider. It holds
no secret. Make such a key with openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client-key.pem`,
  options: {},
  maxPositionals: 1,
} as const

/** `sallyport client-key`: answers the exit code. */
export async function runClientKey(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [file] = parsed.positionals
  if (file === undefined) return failWith(io, 'sallyport client-key needs the file of a private key', EXIT.usage)
  let text: string
  try {
    text = io.readText(resolve(io.cwd, file))
  } catch (error) {
    return failWith(io, `${file} ${whyUnreadable(error)}`)
  }
  const key = parseClientKey(text)
  if (typeof key === 'string') return failWith(io, `${file} ${key}`)
  io.stdout(`${showJson({ keys: [await publicClientKey(text)] }, 2)}\n`)
  return EXIT.ok
}
