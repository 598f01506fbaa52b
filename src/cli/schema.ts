import { showJson } from '../base/control-characters.ts'
import { configSchema } from '../config/keys/keys.ts'
import { EXIT, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'

const USAGE = {
  text: `usage: sallyport schema

Prints the JSON schema of routes.toml. With an editor that uses Taplo, save it beside the file and begin the file with
  #:schema ./routes.schema.json`,
  options: {},
  maxPositionals: 0,
} as const

/** `sallyport schema`: answers the exit code. */
export function runSchema(argv: readonly string[], io: Io): number {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  io.stdout(`${showJson(configSchema(), 2)}\n`)
  return EXIT.ok
}
