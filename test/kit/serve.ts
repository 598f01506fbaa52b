import { readdirSync, readFileSync } from 'node:fs'
import { ask, forward } from '../../src/console/network.ts'
import { runProgram } from '../../src/console/process.ts'
import { startServer } from '../../src/process/serve.ts'
import { plantingRandom, plantSecretsOf } from './log/planted.ts'
import { record, recordedLog, testPlace } from './log/record.ts'

/** Sallyport in this process, with the real clock, randomness, network and disk; its log is kept, to be shown when a test fails. */
export async function serveInProcess(configPath: string): Promise<{ readonly log: string[]; stop(): Promise<void> }> {
  plantSecretsOf(readFileSync(configPath, 'utf8'))
  const place = testPlace()
  const log: string[] = []
  const now = () => Date.now()
  const server = startServer({
    configPath,
    ports: {
      now,
      random: plantingRandom,
      forward,
      ask,
      resolve: async () => [],
      run: runProgram,
      readText: path => readFileSync(path, 'utf8'),
      readBytes: path => readFileSync(path),
      listFolder: path => readdirSync(path),
      env: name => process.env[name],
      log: recordedLog(now, log),
    },
    logs: { access: { style: 'json', write: lines => record(place, lines) }, configure: () => undefined },
  })
  return { log, stop: () => server.stop() }
}
