import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports } from '../../src/base/ports.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/resolve/config.ts'
import type { Logs } from '../../src/console/logs.ts'
import { ask, forward } from '../../src/console/network.ts'
import { runProgram } from '../../src/console/process.ts'
import { listFolder, readBytes, readText } from '../../src/console/read-file.ts'
import { makeIdentity } from '../../src/identity/identity.ts'
import { ownerOf } from '../../src/portal/kept-forms/page-owner.ts'
import { startServer } from '../../src/process/serve.ts'
import type { RunningServer } from '../../src/process/serve-options.ts'
import { openSessionState } from '../../src/process/session-state.ts'
import type { CheckApart } from '../../src/process/threads/ask-thread.ts'
import type { AcmeTimers } from '../../src/server/acme/order.ts'
import type { BindingTimes } from '../../src/session/bound-sessions.ts'
import type { SessionTimers } from '../../src/session/maintenance.ts'
import { patienceMs, quietPorts } from './clock.ts'
import { temporaryFolder } from './folder.ts'
import { plant, plantEnvironment, plantingRandom, plantSecretsOf } from './log/planted.ts'
import { record, recordedLog, testPlace } from './log/record.ts'
import { portalTable, providerTable, SILENT } from './toml.ts'

/** The real server on a free port, in this process. Stops and cleans up at the end of the scope: `await using gate = …`. */
export interface Gate extends AsyncDisposable {
  readonly port: number
  /** Of HTTPS; NaN where there is none. */
  readonly securePort: number
  readonly adminPort: number
  /** Where proxies in front ask; NaN where there is none. */
  readonly verifyPort: number
  readonly server: RunningServer
  readonly folder: string
  readonly configPath: string
  /** Program log, one JSON object a line. */
  readonly log: readonly string[]
  /** Lines of it that have all of these words. */
  told(...words: readonly string[]): readonly string[]
  /** Access records. */
  readonly access: readonly string[]
  /** Forgets the log and the access records so far: what a test of memory is not about. */
  forgetLogs(): void
  /** Saves another routes.toml in place; the head with listeners and store is put before it. */
  save(toml: string): void
  /**
   * A cookie of a live session, made as a sign-in at the portal's first provider makes it, without asking that; `owner` is the one that says whose pages the
   * browser shows.
   */
  signIn(
    host: string,
    claims?: Record<string, unknown>,
    portal?: string,
  ): Promise<{ readonly cookie: string; readonly sessionId: string; readonly owner: string }>
  /** Ends a session as another process would: the gate hears of it by the store. */
  end(sessionId: string): Promise<void>
}

export interface GateOptions {
  /** Where plain HTTP is; a free port when absent. */
  readonly listen?: string
  readonly env?: Readonly<Record<string, string>>
  /** Null: no admin listener. */
  readonly admin?: null
  /** How long a stop may take, as the file says it; two seconds where a test does not say. */
  readonly drain?: string
  /** More keys for `[server]`. */
  readonly server?: string
  readonly sessions?: string
  /** What `[sessions] store` says; a database in the gate's folder when absent. */
  readonly store?: string
  readonly ports?: Partial<Ports>
  /** How often open streams are held against rules about time. */
  readonly recheckMs?: number
  /** How long a client's connection may be silent, in seconds. */
  readonly idleTimeoutS?: number
  /** How long a body of known length is waited for. */
  readonly bodyWaitMs?: number
  /** Which bodies go on unseen: every one that can, or none; those for which there is room when absent. */
  readonly unseen?: 'every' | 'none'
  /** How long a form for ourselves may take. */
  readonly formWaitMs?: number
  /** How soon a password is asked about again; a refusal takes eight times as long. */
  readonly askAgainMs?: number
  /** Files in the gate's folder, by their names. */
  readonly files?: Readonly<Record<string, string>>
  /** How often sessions are looked after; what other processes did is heard of sooner than by itself. */
  readonly sessionTimers?: Partial<SessionTimers>
  /** How long the proof of a device counts, and its challenge. */
  readonly bindingTimes?: BindingTimes
  /** How long an HTTPS listener whose certificates were replaced goes on. */
  readonly partingMs?: number
  /** How long nothing may have come before a stop closes its listeners; absent: at once. */
  readonly quietMs?: number
  /** What other gates call it; the name of this machine when absent. */
  readonly name?: string
  /** How often certificates from an authority are looked after. */
  readonly acmeTimers?: AcmeTimers
  /** What is logged, as the file wants it; kept in `log` and `access` when absent. */
  readonly logs?: Logs
  /** How a long file is checked; on this thread when absent. */
  readonly checkApart?: CheckApart
}

/** A fifth of what it is by itself: that is waited for again and again. */
const WATCH_MS = 100

/** A portal for plain HTTP with a provider that is never asked, for tests that bring their own sessions. */
export const PORTAL = portalWith('')

/** The same, with more lines of the portal's own. */
export function portalWith(lines: string): string {
  return `
${providerTable(SILENT)}
${portalTable(lines)}
[portals.home.roles]
user = { any = true }
admin = { groups = ["admins"] }
`
}

export async function startGate(toml: string, options: GateOptions = {}): Promise<Gate> {
  const folder = temporaryFolder()
  const configPath = join(folder.path, 'routes.toml')
  const head = [
    '[server]',
    `listen = ["${options.listen ?? '127.0.0.1:0'}"]`,
    options.admin === null ? '' : 'admin = "127.0.0.1:0"',
    `drain = "${options.drain ?? '2s'}"`,
    options.server ?? '',
    '[sessions]',
    `store = "${options.store ?? 'sqlite:sallyport.db'}"`,
    options.sessions ?? '',
    '',
  ].join('\n')
  const save = (text: string) => {
    plantSecretsOf(head + text)
    writeFileSync(configPath, head + text)
  }
  for (const [name, text] of Object.entries(options.files ?? {})) {
    plantSecretsOf(text)
    writeFileSync(join(folder.path, name), text)
  }
  save(toml)
  plantEnvironment(options.env ?? {})
  const place = testPlace()
  const log: string[] = []
  const access: string[] = []
  const now = options.ports?.now ?? (() => Date.now())
  let server: RunningServer
  try {
    server = startServer({
      configPath,
      ports: {
        now,
        random: plantingRandom,
        forward: options.ports?.forward ?? forward,
        ask: options.ports?.ask ?? ask,
        resolve: options.ports?.resolve ?? (async () => []),
        run: runProgram,
        readText: path => readFileSync(path, 'utf8'),
        readBytes: path => readFileSync(path),
        listFolder: path => readdirSync(path),
        env: name => options.env?.[name],
        log: options.logs?.log ?? recordedLog(now, log),
      },
      ...(options.recheckMs === undefined ? {} : { recheckMs: options.recheckMs }),
      ...(options.checkApart === undefined ? {} : { checkApart: options.checkApart }),
      ...(options.acmeTimers === undefined ? {} : { acmeTimers: options.acmeTimers }),
      sessionTimers: { watchMs: WATCH_MS, ...options.sessionTimers },
      ...(options.bindingTimes === undefined ? {} : { bindingTimes: options.bindingTimes }),
      ...(options.quietMs === undefined ? {} : { quietMs: options.quietMs }),
      ...(options.name === undefined ? {} : { name: options.name }),
      ...(options.partingMs === undefined ? {} : { partingMs: options.partingMs }),
      ...(options.idleTimeoutS === undefined ? {} : { idleTimeoutS: options.idleTimeoutS }),
      ...(options.formWaitMs === undefined ? {} : { formWaitMs: options.formWaitMs }),
      ...(options.askAgainMs === undefined ? {} : { askAgainMs: options.askAgainMs }),
      ...(options.unseen === undefined ? {} : { unseen: options.unseen }),
      ...(options.bodyWaitMs === undefined ? {} : { bodyWaitMs: options.bodyWaitMs }),
      logs: options.logs ?? {
        access: {
          style: 'json',
          write(lines) {
            record(place, lines)
            access.push(...lines.trimEnd().split('\n'))
          },
        },
        configure: () => undefined,
      },
    })
  } catch (error) {
    folder[Symbol.dispose]()
    throw error
  }
  return {
    server,
    folder: folder.path,
    configPath,
    log,
    told: (...words) => log.filter(line => words.every(word => line.includes(word))),
    access,
    forgetLogs() {
      log.length = 0
      access.length = 0
    },
    save,
    port: portOf(server.addresses[0]),
    securePort: portOf(server.secureAddresses[0]),
    adminPort: portOf(server.admin),
    verifyPort: portOf(server.verifyAddresses[0]),
    async signIn(host, claims = {}, portal = 'home') {
      const { sessions, sealer } = openSessionState(server.config, quietPorts({ now }))
      const [provider = ''] = server.config.portals.get(portal)?.providers ?? []
      const issuer = server.config.providers.get(provider)?.issuer ?? ''
      const identity = makeIdentity(provider, issuer, String(claims.sub ?? 'ada'), claims)
      const secrets = { idToken: 'x', refreshToken: null }
      const { token, session } = await sessions.start({ portal, host, identity, secrets })
      await sessions.close()
      const owner = await sealer.seal({ owner: ownerOf(session) }, `owner at ${portal} on ${host}`, now() + 3_600_000)
      plant(owner, 'a cookie of the owner')
      return { cookie: `sallyport=${token}`, sessionId: session.id, owner: `sallyport-owner=${owner}` }
    },
    async end(sessionId) {
      const { sessions } = openSessionState(server.config, quietPorts({ now }))
      await sessions.end(sessionId)
      await sessions.close()
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      folder[Symbol.dispose]()
    },
  }
}

/** The file of a gate, read anew, as a command reads it. */
export function configOf({ configPath }: Gate): Config {
  const loaded = loadConfig(configPath, { readText, readBytes, listFolder, env: () => undefined, now: Date.now })
  if (!loaded.ok) throw new Error('the file of a gate is good')
  return loaded.config
}

/**
 * Waits until something holds, for what is announced in a log or by a file watch; fails after `limitMs` of a quiet machine, which is to be
 * given for what takes longer alone. Looks ever more slowly: on a machine with much to do, those who look are not to be most of it.
 */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string | (() => string),
  limitMs = 40_000,
): Promise<void> {
  const began = performance.now()
  for (let pauseMs = 10; !(await holds()); pauseMs = Math.min(pauseMs * 1.02, 100)) {
    if (performance.now() > began + patienceMs(limitMs)) {
      throw new Error(`never happened: ${typeof what === 'string' ? what : what()}`)
    }
    await Bun.sleep(pauseMs)
  }
}

function portOf(address: string | null | undefined): number {
  return Number(address?.slice(address.lastIndexOf(':') + 1))
}
