import { readFileSync } from 'node:fs'
import { createLog } from '../../src/base/log.ts'
import { startServer } from '../../src/process/serve.ts'

/** Sallyport in this process, with the real clock, randomness, network and disk; its log is kept, to be shown when a test fails. */
export async function serveInProcess(configPath: string): Promise<{ readonly log: string[]; stop(): Promise<void> }> {
  const log: string[] = []
  const now = () => Date.now()
  const server = startServer({
    configPath,
    ports: {
      now,
      random: count => crypto.getRandomValues(new Uint8Array(count)),
      fetch: (address, init) => fetch(address, { ...init, proxy: false }),
      readText: path => readFileSync(path, 'utf8'),
      readBytes: path => readFileSync(path),
      env: name => process.env[name],
      log: createLog({ now, style: 'json', write: line => void log.push(line) }),
    },
    writeAccess: () => {},
  })
  return { log, stop: () => server.stop() }
}
