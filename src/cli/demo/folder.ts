/** The folder of `sallyport demo`: its routes.toml, its database, and what was written there before. */

import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GateError } from '../../base/errors.ts'

/** What the demo's parts must agree on with a routes.toml that was written earlier. */
export interface DemoPlan {
  /** Sallyport's own port; every demo host is served there. */
  readonly port: number
  readonly providerPort: number
  readonly servicePort: number
  readonly clientSecret: string
}

/** The folder that a demo runs in. */
export interface DemoFolder {
  readonly path: string
  readonly configPath: string
  /** The plan of an earlier run whose routes.toml is kept; null in a new folder. */
  readonly kept: DemoPlan | null
  write(plan: DemoPlan, config: string): void
  /** Removes a temporary folder; leaves a named one. */
  close(): void
}

const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants

const CONFIG = 'routes.toml'
const PLAN = 'demo.json'

/**
 * A new temporary folder, or the named one (absolute) with the routes.toml that an earlier demo left there.
 *
 * Throws `config.invalid` when the named folder has a routes.toml of somebody else's: the demo would not fit it.
 */
export function openDemoFolder(dir: string | null): DemoFolder {
  const path = dir === null ? realpathSync(mkdtempSync(join(tmpdir(), 'sallyport-demo-'))) : dir
  mkdirSync(path, { recursive: true })
  const configPath = join(path, CONFIG)
  const planPath = join(path, PLAN)
  return {
    path,
    configPath,
    kept: existsSync(configPath) ? readPlan(planPath, configPath) : null,
    write(plan, config) {
      // The secret opens nothing but this demo, but a file with a secret is never left for others to read.
      for (const [file, text] of [
        [configPath, config],
        [planPath, `${JSON.stringify(plan, null, 2)}\n`],
      ] as const) {
        const handle = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
        fchmodSync(handle, 0o600)
        writeFileSync(handle, text)
        closeSync(handle)
      }
    },
    close() {
      if (dir === null) rmSync(path, { recursive: true, force: true })
    },
  }
}

function readPlan(planPath: string, configPath: string): DemoPlan {
  const plan = existsSync(planPath) ? parsePlan(readFileSync(planPath, 'utf8')) : null
  if (plan !== null) return plan
  throw new GateError('config.invalid', `${configPath} was not written by the demo`, {
    hint: 'name an empty folder with --dir, or leave --dir out',
  })
}

function parsePlan(text: string): DemoPlan | null {
  const raw: unknown = parseJson(text)
  if (typeof raw !== 'object' || raw === null) return null
  const { port, providerPort, servicePort, clientSecret } = raw as Record<string, unknown>
  return isPort(port) && isPort(providerPort) && isPort(servicePort) && typeof clientSecret === 'string'
    ? { port, providerPort, servicePort, clientSecret }
    : null
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isPort(raw: unknown): raw is number {
  return typeof raw === 'number' && Number.isInteger(raw) && raw > 0 && raw < 65_536
}
