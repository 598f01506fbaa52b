/** Metrics of requests to providers. */

import { GateError } from '../../base/errors.ts'
import type { ProviderClient, ProviderPool, RefreshResult } from '../../identity/provider.ts'
import { Named } from './label-limit.ts'
import { type Family, Histogram, histogramFamily, type Sample, simpleFamily } from './metric-family.ts'

/** What providers are asked, and what comes of it. */
export interface ProviderMeter {
  /** The same pool, of which every question is counted. */
  watch(pool: ProviderPool): ProviderPool
  /** A session of its has begun. */
  completed(provider: string): void
  /** A sign-in has ended with what was thrown. */
  failed(provider: string, thrown: unknown): void
  /** The providers of the current file. */
  retain(providers: Iterable<string>): void
  families(): readonly Family[]
}

const CALLS = ['sign_in', 'refresh', 'introspect'] as const

/** Failures of a provider. A refusal of a user is not one, and neither is an invented token. */
const ERRORS = ['down', 'discovery', 'request', 'token', 'id_token', 'userinfo'] as const

/** A user was refused, and no configuration was wrong. */
const REFUSALS: ReadonlySet<string> = new Set([
  'access.passkey',
  'access.password',
  'provider.inactive',
  'provider.refused',
  'provider.subject',
  'sign_in.member',
  'sign_in.step_up',
])

interface OfProvider {
  readonly signIns: Record<'completed' | 'refused' | 'failed', number>
  readonly refreshes: Record<Exclude<RefreshResult['kind'], 'lost'> | 'failed', number>
  readonly errors: Record<(typeof ERRORS)[number], number>
  readonly took: Record<(typeof CALLS)[number], Histogram>
}

/** Counts by provider; `tick` is in milliseconds, by a clock that is never set. */
export function createProviderMeter(tick: () => number): ProviderMeter {
  const providers = new Named<OfProvider>(() => ({
    signIns: { completed: 0, refused: 0, failed: 0 },
    refreshes: { renewed: 0, ended: 0, unclear: 0, failed: 0 },
    errors: { down: 0, discovery: 0, request: 0, token: 0, id_token: 0, userinfo: 0 },
    took: { sign_in: new Histogram(), refresh: new Histogram(), introspect: new Histogram() },
  }))
  const watched = new WeakMap<ProviderClient, ProviderClient>()

  function noteError(one: OfProvider, thrown: unknown): void {
    if (!(thrown instanceof GateError)) return
    const kind = ERRORS.find(name => thrown.code === `provider.${name}`)
    if (kind !== undefined) one.errors[kind]++
  }

  /** Asks, and counts what the provider did wrong. */
  async function ask<T>(name: string, call: keyof OfProvider['took'] | null, question: () => Promise<T>): Promise<T> {
    const one = providers.of(name)
    const askedAtMs = tick()
    try {
      return await question()
    } catch (thrown) {
      noteError(one, thrown)
      throw thrown
    } finally {
      if (call !== null) one.took[call].observe(tick() - askedAtMs)
    }
  }

  function failed(provider: string, thrown: unknown): void {
    const isRefusal = thrown instanceof GateError && REFUSALS.has(thrown.code)
    providers.of(provider).signIns[isRefusal ? 'refused' : 'failed']++
  }

  function watchClient(client: ProviderClient): ProviderClient {
    const { name } = client.config
    return {
      config: client.config,
      begin: (login, options) => ask(name, null, () => client.begin(login, options)),
      async finish(answer, login) {
        try {
          return await ask(name, 'sign_in', () => client.finish(answer, login))
        } catch (thrown) {
          failed(name, thrown)
          throw thrown
        }
      },
      async refresh(held) {
        const { refreshes } = providers.of(name)
        let result: RefreshResult
        try {
          result = await ask(name, 'refresh', () => client.refresh(held))
        } catch (thrown) {
          refreshes.failed++
          throw thrown
        }
        if (result.kind === 'lost') noteError(providers.of(name), result.failure)
        refreshes[result.kind === 'lost' ? 'failed' : result.kind]++
        return result
      },
      revoke: token => ask(name, null, () => client.revoke(token)),
      endSession: request => ask(name, null, () => client.endSession(request)),
      readLogoutToken: token => ask(name, null, () => client.readLogoutToken(token)),
      readAccessToken: (token, audience) => ask(name, null, () => client.readAccessToken(token, audience)),
      introspect: (token, audiences) => ask(name, 'introspect', () => client.introspect(token, audiences)),
      readClientToken: token => ask(name, null, () => client.readClientToken(token)),
      readBearerIdToken: (token, audience) => ask(name, null, () => client.readBearerIdToken(token, audience)),
      state: client.state,
    }
  }

  function* samples(label: string, read: (one: OfProvider) => Readonly<Record<string, number>>): Iterable<Sample> {
    for (const [provider, one] of providers.entries()) {
      for (const [name, value] of Object.entries(read(one))) yield { labels: { provider, [label]: name }, value }
    }
  }

  function* times(): Iterable<readonly [Readonly<Record<string, string>>, Histogram]> {
    for (const [provider, one] of providers.entries()) {
      for (const call of CALLS) yield [{ provider, call }, one.took[call]]
    }
  }

  return {
    watch: pool => ({
      client(config) {
        const client = pool.client(config)
        const before = watched.get(client)
        if (before !== undefined) return before
        const made = watchClient(client)
        watched.set(client, made)
        return made
      },
      retain: inUse => pool.retain(inUse),
      askAnew: () => pool.askAnew(),
    }),
    completed(provider) {
      providers.of(provider).signIns.completed++
    },
    failed,
    retain(names) {
      const all = [...names]
      providers.retain(all)
      // A counter that begins at 1 hides its first increase.
      for (const name of all) providers.of(name)
    },
    families: () => [
      simpleFamily(
        'counter',
        'sallyport_sign_ins_total',
        'Sign-ins by what they came to; refused: the provider or a wrong password, failed: anything else.',
        samples('result', one => one.signIns),
      ),
      simpleFamily(
        'counter',
        'sallyport_refreshes_total',
        'Refreshes of sessions, by the provider’s answer.',
        samples('result', one => one.refreshes),
      ),
      simpleFamily(
        'counter',
        'sallyport_provider_errors_total',
        'Failures of a provider, by Sallyport’s error code.',
        samples('code', one => one.errors),
      ),
      histogramFamily('sallyport_provider_duration_seconds', 'What asking a provider took, by what for.', times()),
    ],
  }
}
