#!/usr/bin/env bun
/** The entry of the program: starts a server, or runs another command. */

import { serveArguments } from './cli/serve-arguments.ts'
import { becomeAnew, isAsNeeded } from './console/reexec.ts'

const argv = process.argv.slice(2)
const serving = serveArguments(argv)
// First of all: what is loaded by then is loaded twice. Where it fails, `serve` says why.
if (serving !== null && !isAsNeeded()) {
  try {
    becomeAnew(argv)
  } catch {}
}
// What serves is loaded without the other commands, which are a third of the program.
if (serving === null) {
  const { run } = await import('./cli/run.ts')
  process.exitCode = await run(argv)
} else {
  const { runServe } = await import('./cli/serve.ts')
  const { processIo } = await import('./console/io.ts')
  process.exitCode = await runServe(serving, argv, processIo())
}
