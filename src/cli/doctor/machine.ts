/** What the doctor checks of this machine: listeners, proxies in its environment, the session store and its key. */

import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { randomToken } from '../../base/bytes.ts'
import { errorFacts } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { Config } from '../../config/resolve/config.ts'
import { addressText, type ListenAddress } from '../../config/values/listen.ts'
import { listen } from '../../server/listen/listen.ts'
import { createClockWatch } from '../../session/clock-watch.ts'
import type { GateView } from '../../session/gates.ts'
import { damagedOf } from '../../session/sqlite/companion-files.ts'
import { openStateAsUser } from '../with-sessions.ts'
import { bad, type Finding, good, type Section, warning } from './finding.ts'

/** What this machine has to give: listeners that can be opened, and a place for sessions. */
export async function examineMachine(
  config: Config,
  fingerprint: string,
  ports: Pick<Ports, 'now' | 'random' | 'log'>,
  isRunning: boolean,
): Promise<Section> {
  return {
    about: 'this machine',
    findings: [
      ...(isRunning ? [good('Sallyport is running')] : listenersOf(config).map(examineListener)),
      ...examineProxies(config),
      ...(await examineStore(config, fingerprint, ports)),
      ...examineDamaged(config),
      ...examineKey(config),
    ],
  }
}

function listenersOf({ server, tls }: Config): readonly ListenAddress[] {
  return [...server.listen, ...(tls?.listen ?? []), ...server.verify]
}

function examineListener(address: ListenAddress): Finding {
  const where = addressText(address)
  // Trying a local socket would take it from the process that has it.
  if (address.kind === 'unix') return good(`${where} is a local socket, made at start`)
  try {
    void listen(address, { fetch: () => new Response() }).stop(true)
    return good(`${where} can be listened on`)
  } catch (error) {
    const { error: what, hint } = errorFacts(error)
    return bad(String(what), typeof hint === 'string' ? hint : 'check listen in [server]')
  }
}

/** A portal made for HTTPS behind a plain listener has a proxy in front, of which the file should know; or people come by plain HTTP. */
function examineProxies({ server, tls, portals }: Config): readonly Finding[] {
  const isBehind = [...portals.values()].some(({ url, insecureCookies }) =>
    url === null ? !insecureCookies : url.scheme === 'https',
  )
  if (!isBehind || tls !== null || server.trustedProxies.length > 0) return []
  return [
    warning(
      'no proxy is trusted, though a portal is on HTTPS and this machine listens on plain HTTP',
      'one of three: name the proxy that ends TLS in trusted_proxies, or every client has its address; [tls] for HTTPS of Sallyport’s own; or, where everybody on the network is trusted, insecure_cookies = true in the portal',
    ),
  ]
}

async function examineStore(
  config: Config,
  fingerprint: string,
  ports: Pick<Ports, 'now' | 'random' | 'log'>,
): Promise<readonly Finding[]> {
  const { store } = config.sessions
  if (store.kind === 'sqlite') return [examineFile(store.path)]
  try {
    const { sessions, store, check } = openStateAsUser(config, ports, null)
    try {
      if (!(await check.read())) {
        return [
          bad(
            'the session store was sealed with another key than the one of [sessions]',
            'give every gate that shares it the same key; or another database of that server',
          ),
        ]
      }
      await sessions.find(randomToken(ports.random), 'doctor.invalid')
      await check.write()
      const clock = createClockWatch(store, ports)
      const gates = examineGates(await sessions.gates.look(fingerprint))
      if (await clock.look()) return [good('the session store answers, and its clock is this machine’s'), ...gates]
      const aheadS = Math.round((clock.state.aheadMs ?? 0) / 1000)
      return [
        bad(
          `the clock of this machine is ${Math.abs(aheadS)} s ${aheadS < 0 ? 'behind' : 'ahead of'} that of the session store`,
          'have NTP set both: people are signed out too early or too late, and this machine removes nothing from the store',
        ),
        ...gates,
      ]
    } finally {
      await sessions.close()
    }
  } catch (error) {
    const { error: what, cause, hint } = errorFacts(error)
    // What the server itself says, where it says anything: MOVED, NOPERM, READONLY.
    return [
      bad(
        `the session store cannot be used: ${[what, ...(cause === undefined ? [] : [cause])].join(': ')}`,
        typeof hint === 'string' ? hint : 'check [sessions] store',
      ),
    ]
  }
}

/** Gates that run, of which each should run this file. */
function examineGates(gates: readonly GateView[]): readonly Finding[] {
  const others = gates.filter(({ isSameFile }) => !isSameFile)
  if (others.length > 0) {
    return others.map(({ name, sinceMs }) =>
      warning(
        `the gate ${name} runs another file than this one, since ${new Date(sinceMs).toISOString()}`,
        'give every gate that shares the session store the same file, with the same secrets; what only some accept ends after an hour',
      ),
    )
  }
  return gates.length > 1 ? [good(`${gates.length} gates share the session store, and all run this file`)] : []
}

function examineFile(path: string): Finding {
  if (path === ':memory:') return warning('sessions are in memory alone', 'a restart signs everyone out')
  const what = existsSync(path) ? path : dirname(path)
  try {
    accessSync(what, constants.W_OK | constants.R_OK)
    return good(`sessions are kept in ${path}`)
  } catch {
    return bad(
      `sessions cannot be written to ${what}`,
      'make that folder, or give it to the user that runs Sallyport; or change [sessions] store',
    )
  }
}

/** A damaged database that was moved aside contains the sessions: only an operator removes it. */
function examineDamaged({ sessions }: Config): readonly Finding[] {
  return damagedOf(sessions).map(path =>
    warning(
      `the session database was damaged, and was moved to ${path}`,
      'look at the disk; sallyport restore FILE brings a backup back; move that file out of its folder then: until you do, unknown tokens and guest links are answered 503',
    ),
  )
}

/** A user who can read the key can open the sealed data of the database. */
function examineKey({ sessions }: Config): readonly Finding[] {
  if (sessions.store.kind !== 'sqlite' || sessions.store.path === ':memory:') return []
  const path = join(dirname(sessions.store.path), 'sallyport.key')
  const mode = statSync(path, { throwIfNoEntry: false })?.mode
  if (mode === undefined || (mode & 0o077) === 0) return []
  return [warning(`${path} can be read by other users of this machine`, `chmod 600 ${path}`)]
}
