/** What a process measures: traffic, providers, the store, and how late its event loop is. */

import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { type Snapshot, upstreamsOf } from '../../server/config/snapshot.ts'
import type { Passwords } from '../../server/credentials/passwords.ts'
import { createLoopLag } from '../../server/observe/loop-lag.ts'
import type { Family } from '../../server/observe/metric-family.ts'
import { createProviderMeter, type ProviderMeter } from '../../server/observe/provider-meter.ts'
import { createStoreMeter, type StoreMeter } from '../../server/observe/store-meter.ts'
import { createTraffic, type Traffic } from '../../server/observe/traffic.ts'
import type { Passkeys } from '../../session/accounts/passkeys.ts'
import type { Sessions } from '../../session/session.ts'

/** Everything that is measured apart from counts. Pairs with `close`. */
export interface Meters {
  readonly traffic: Traffic
  readonly providers: ProviderMeter
  readonly store: StoreMeter
  /** The names of a file that get labels from now on. */
  retain(snapshot: Snapshot): void
  families(): Promise<readonly Family[]>
  close(): void
}

/** What measures, by the clock of this process that is never set. */
export function openMeters(): Meters {
  const tick = () => performance.now()
  const lag = createLoopLag(tick)
  const traffic = createTraffic(tick, lag.noteWork)
  const providers = createProviderMeter(tick)
  const store = createStoreMeter(tick)
  return {
    traffic,
    providers,
    store,
    retain(snapshot) {
      traffic.retain(
        snapshot.routes.map(({ config }) => config.id),
        upstreamsOf(snapshot).map(({ label }) => label),
      )
      providers.retain(snapshot.config.providers.keys())
    },
    families: async () => [
      ...traffic.families(),
      ...providers.families(),
      ...store.families(),
      ...(await lag.families()),
    ],
    close: lag.close,
  }
}

/** What a portal begins sessions with, and looks people up with, counted. */
export function countSignIns<Given extends Pick<Sessions, 'start'> & { readonly passkeys: Passkeys }>(
  sessions: Given,
  { findUser, checkCode }: Pick<Passwords, 'findUser' | 'checkCode'>,
  { providers }: Meters,
): { readonly sessions: Given } & Pick<Passwords, 'findUser' | 'checkCode'> {
  /** Counts what goes wrong at a provider. */
  const counted =
    <Rest extends readonly unknown[], Found>(find: (provider: ProviderConfig, ...rest: Rest) => Promise<Found>) =>
    async (provider: ProviderConfig, ...rest: Rest): Promise<Found> => {
      try {
        return await find(provider, ...rest)
      } catch (thrown) {
        providers.failed(provider.name, thrown)
        throw thrown
      }
    }
  return {
    sessions: {
      ...sessions,
      passkeys: { ...sessions.passkeys, find: counted(sessions.passkeys.find) },
      async start(given) {
        const { provider } = given.identity
        try {
          const started = await sessions.start(given)
          providers.completed(provider)
          return started
        } catch (thrown) {
          providers.failed(provider, thrown)
          throw thrown
        }
      },
    },
    findUser: counted(findUser),
    checkCode: counted(checkCode),
  }
}
