/** `sallyport version`: which version this is, of which Bun, for which platform. */

import { showJson } from '../base/control-characters.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { versionOfThis, versionText } from '../console/version.ts'

const USAGE = {
  text: `usage: sallyport version [--json]

Says which version this is, which Bun is in it, and for which platform it was built.
Who made what is in it, and under which licences, is in THIRD-PARTY-NOTICES: beside the executable in the archive, and in
/usr/share/doc/sallyport in the Debian package and the image.

  --json    with the commit too, for scripts`,
  options: { json: { type: 'boolean' } },
  maxPositionals: 0,
} as const

export function runVersion(options: readonly string[], io: Io): number {
  const parsed = parseArguments(options, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  io.stdout(`${parsed.values.json ? showJson(versionOfThis()) : versionText()}\n`)
  return EXIT.ok
}
