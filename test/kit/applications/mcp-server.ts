import { createServer } from 'node:net'
import { join } from 'node:path'

/** The official server of the protocol that has one of everything, by Streamable HTTP at `/mcp`. Killed at the end of the scope. */
export interface McpServer extends AsyncDisposable {
  readonly port: number
}

const PROGRAM = join(import.meta.dir, '../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js')

export async function startMcpServer(): Promise<McpServer> {
  const port = await freePort()
  const child = Bun.spawn([process.execPath, PROGRAM, 'streamableHttp'], {
    env: { PATH: process.env.PATH ?? '', PORT: String(port) },
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'pipe',
  })
  let told = ''
  for await (const piece of child.stderr) {
    told += new TextDecoder().decode(piece)
    if (told.includes('listening')) break
  }
  if (!told.includes('listening')) throw new Error(`the MCP server did not start: ${told}`)
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill()
      await child.exited
    },
  }
}

function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const server = createServer().once('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
  })
  return promise
}
