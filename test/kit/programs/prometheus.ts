import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryFolder } from '../folder.ts'
import { eventually } from '../gate.ts'
import { freePort } from './child.ts'

/** A real Prometheus, of which the gate is the only job. Gone at the end of the scope. */
export interface Prometheus extends AsyncDisposable {
  /** What its API answers, below `/api/v1/`. Throws what it says is wrong. */
  ask(path: string): Promise<unknown>
}

/** Scrapes an admin listener twice a second, and follows these rules. */
export async function startPrometheus(adminPort: number, rules: string): Promise<Prometheus> {
  const folder = temporaryFolder()
  const port = await freePort()
  const file = (name: string, text: string) => {
    const path = join(folder.path, name)
    writeFileSync(path, text)
    return path
  }
  mkdirSync(join(folder.path, 'data'))
  const config = file(
    'prometheus.yml',
    `global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 500ms }
rule_files: [${file('rules.yaml', rules)}]
scrape_configs:
  - job_name: sallyport
    static_configs: [{ targets: ["127.0.0.1:${adminPort}"] }]
`,
  )
  const program = Bun.spawn(
    [
      'prometheus',
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder.path, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdout: 'ignore', stderr: 'pipe' },
  )
  async function ask(path: string): Promise<unknown> {
    const answer = (await (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).json()) as Record<string, unknown>
    if (answer.status !== 'success') throw new Error(`${path}: ${String(answer.error)}`)
    return answer.data
  }
  await eventually(async () => {
    if (program.exitCode !== null) throw new Error(await new Response(program.stderr).text())
    return await fetch(`http://127.0.0.1:${port}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  }, 'Prometheus is ready')
  return {
    ask,
    async [Symbol.asyncDispose]() {
      program.kill('SIGKILL')
      await program.exited
      folder[Symbol.dispose]()
    },
  }
}
