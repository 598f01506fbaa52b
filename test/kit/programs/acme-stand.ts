import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { askBy } from '../../../src/base/http-client.ts'
import type { AcmeConfig } from '../../../src/config/resolve/tls.ts'
import { runProgram } from '../../../src/console/process.ts'
import { type Acme, createAcme } from '../../../src/server/acme/acme.ts'
import { createSealer } from '../../../src/session/seal.ts'
import { type AheadClock, aheadClock } from '../clock.ts'
import { eventually } from '../gate.ts'
import { freePort } from './child.ts'
import { type Pebble, type PebbleOptions, startPebble } from './pebble.ts'

/** Certificates of a real authority, without the rest of a gate: with a clock that can be put forward, and what was asked. */
export interface AcmeStand extends AsyncDisposable {
  readonly acme: Acme
  readonly pebble: Pebble
  readonly clock: AheadClock
  readonly config: AcmeConfig
  /** Payloads of requests to the authority whose address ends so, in order. */
  sent(end: string): readonly unknown[]
  /** Once so many answers about renewals have been written down. */
  renewalsAsked(count: number): Promise<void>
  /** Lines of the log, as JSON. */
  readonly log: readonly string[]
}

export async function openAcmeStand(
  names: readonly string[],
  options: Omit<PebbleOptions, 'httpPort'> & {
    readonly config?: Partial<AcmeConfig>
    /** What is answered in the authority's place; null: what it answers itself. */
    readonly instead?: (address: string) => Response | null
  } = {},
): Promise<AcmeStand> {
  const httpPort = await freePort()
  const pebble = await startPebble({ httpPort, ...options })
  const clock = aheadClock()
  const log: string[] = []
  const asked: { readonly address: string; readonly body: unknown }[] = []
  const shared = new Map<string, string>()
  const config: AcmeConfig = {
    email: null,
    directory: pebble.directory,
    ca: readFileSync(pebble.ca, 'utf8'),
    externalAccount: null,
    dns: null,
    names,
    ...options.config,
  }
  const tell = (message: string, facts?: object) => void log.push(JSON.stringify({ message, ...facts }))
  const random = (count: number) => new Uint8Array(randomBytes(count))
  const acme = createAcme({
    config: () => config,
    store: {
      readShared: async name => shared.get(name) ?? null,
      async replaceShared(name, before, after) {
        if ((shared.get(name) ?? null) !== before) return false
        shared.set(name, after)
        return true
      },
    },
    sealer: createSealer(random(32), { now: clock.now, random }),
    ports: {
      now: clock.now,
      random,
      ask: askBy(async (address, init) => {
        asked.push({ address, body: init.body })
        return options.instead?.(address) ?? (await fetch(address, init))
      }),
      resolve: async () => [],
      run: runProgram,
      env: name => process.env[name],
      log: { debug: tell, info: tell, warn: tell, error: tell },
    },
    onLook() {},
    timers: { lookMs: 50, refusedMs: 300, unreachableMs: 100 },
  })
  const front = Bun.serve({
    hostname: '127.0.0.1',
    port: httpPort,
    fetch({ url }) {
      const { hostname: host, pathname: path } = new URL(url)
      return acme.answer({ host, path }, { protocol: 'http' }) ?? new Response(null, { status: 404 })
    },
  })
  return {
    acme,
    pebble,
    clock,
    config,
    log,
    renewalsAsked: count =>
      eventually(() => {
        const isAtRest = [...shared].some(([name, value]) => name.endsWith('-lease') && value.endsWith(' 0'))
        return isAtRest && asked.filter(({ address }) => address.includes('/renewalInfo/')).length >= count
      }, `${count} answers about renewals`),
    sent: end =>
      asked
        .filter(({ address, body }) => address.endsWith(end) && typeof body === 'string')
        .map(({ body }) => {
          const { payload } = JSON.parse(String(body))
          return payload === '' ? null : JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
        }),
    async [Symbol.asyncDispose]() {
      acme.close()
      await front.stop(true)
      await pebble[Symbol.asyncDispose]()
    },
  }
}
