import { errorFacts, GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/types/providers.ts'
import type { Sessions } from '../../session/session.ts'
import type { PortalRequest } from '../portal.ts'

interface Tools {
  readonly ports: Pick<Ports, 'log'>
  readonly sessions: Pick<Sessions, 'noteCompleted' | 'noteFailed'>
}

/** What the provider itself gave or did not give. What a browser can bring about by itself, as an error in its answer, is none of it. */
const OF_THE_PROVIDER: ReadonlySet<string> = new Set([
  'provider.down',
  'provider.discovery',
  'provider.token',
  'provider.id_token',
  'provider.userinfo',
])

/** Which of an error's facts say what is wrong, in this order. */
const TOLD = ['check', 'alg', 'enc', 'status', 'provider_error', 'provider_says'] as const

/** Keeps what came of a sign-in, for `sallyport doctor`; `thrown` is null where somebody came in. Nobody waits for it. */
export function noteOutcome(
  { requestId }: PortalRequest,
  { ports, sessions }: Tools,
  provider: ProviderConfig,
  thrown: unknown,
): void {
  const noting = thrown === null ? sessions.noteCompleted(provider) : noteFailure(sessions, provider, thrown)
  noting.catch((failure: unknown) => {
    const facts = { id: requestId, provider: provider.name, ...errorFacts(failure) }
    ports.log.warn('What came of a sign-in could not be kept for sallyport doctor', facts)
  })
}

async function noteFailure(sessions: Tools['sessions'], provider: ProviderConfig, thrown: unknown): Promise<void> {
  if (!(thrown instanceof GateError) || !OF_THE_PROVIDER.has(thrown.code)) return
  // A code that somebody has made up, or that was used before.
  if (thrown.code === 'provider.token' && thrown.facts.is_about === 'grant') return
  const { error, hint } = errorFacts(thrown)
  const told = TOLD.flatMap(name => (thrown.facts[name] === undefined ? [] : [`${name} ${thrown.facts[name]}`]))
  await sessions.noteFailed(provider, {
    error: told.length === 0 ? String(error) : `${error} (${told.join(', ')})`,
    hint: typeof hint === 'string' ? hint : null,
  })
}
