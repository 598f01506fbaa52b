import { join } from 'node:path'
import { eventually } from '../gate.ts'
import { freePort } from '../programs/child.ts'

/** The official server of the protocol that has one of everything. Killed at the end of the scope. */
export interface McpServer extends AsyncDisposable {
  readonly port: number
}

const PROGRAM = join(import.meta.dir, '../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js')

/** By Streamable HTTP at `/mcp`, or by the older way of server-sent events at `/sse` and `/message`. */
export async function startMcpServer(way: 'streamableHttp' | 'sse' = 'streamableHttp'): Promise<McpServer> {
  const port = await freePort()
  const child = Bun.spawn([process.execPath, PROGRAM, way], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  })
  let told = ''
  // To the end: a program whose words nobody takes any more cannot write them.
  const reading = (async () => {
    for await (const piece of child.stderr) told += new TextDecoder().decode(piece)
  })()
  await eventually(
    () => /listening|running/.test(told) || child.exitCode !== null,
    () => `the MCP server starts: ${told}`,
  )
  if (child.exitCode !== null) throw new Error(`the MCP server did not start: ${told}`)
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill()
      await child.exited
      await reading
    },
  }
}
