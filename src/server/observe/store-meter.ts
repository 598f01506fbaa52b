/** Metrics of the session store. */

import type { StoreCall, StoreWatch } from '../../session/measured-store.ts'
import { type Family, Histogram, histogramFamily, simpleFamily } from './metric-family.ts'

/** What the session store takes, and how often it fails. */
export interface StoreMeter extends StoreWatch {
  families(): readonly Family[]
}

const CALLS = ['read', 'write', 'poll'] as const satisfies readonly StoreCall[]

/** `tick` is in milliseconds, by a clock that is never set. */
export function createStoreMeter(tick: () => number): StoreMeter {
  const took: Readonly<Record<StoreCall, Histogram>> = {
    read: new Histogram(),
    write: new Histogram(),
    poll: new Histogram(),
  }
  const errors: Record<StoreCall, number> = { read: 0, write: 0, poll: 0 }
  return {
    tick,
    done: (call, tookMs) => took[call].observe(tookMs),
    failed(call) {
      errors[call]++
    },
    families: () => [
      histogramFamily(
        'sallyport_store_duration_seconds',
        'What a call of the session store took; poll: the look at what others did, each second.',
        CALLS.map(call => [{ call }, took[call]]),
      ),
      simpleFamily(
        'counter',
        'sallyport_store_errors_total',
        'Calls of the session store that failed.',
        CALLS.map(call => ({ labels: { call }, value: errors[call] })),
      ),
    ],
  }
}
