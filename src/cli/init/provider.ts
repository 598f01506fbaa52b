/** The provider of a first routes.toml: how it is reached, what its discovery document says, and the client there, given or still to be made. */

import { resolve } from 'node:path'
import { GateError, toGateError } from '../../base/errors.ts'
import type { OutgoingConfig } from '../../base/outgoing.ts'
import { parseProxy } from '../../config/keys/outgoing.ts'
import { bad, good, type Parsed } from '../../config/text/diagnostic.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { parseInternalUrl } from '../../config/values/address.ts'
import { checkCertificates } from '../../config/values/pem.ts'
import type { Io } from '../../console/io.ts'
import { isUntrusted } from '../../identity/connection-errors.ts'
import { createMetadataSource } from '../../identity/discovery.ts'
import type { Metadata } from '../../identity/endpoints.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type Reach } from '../../identity/http.ts'
import { type Coming, originBy, type ProviderPlace } from './https.ts'
import { callbackOf, type Plan } from './plan.ts'
import * as questions from './questions.ts'
import type { AnswerQuestion, Flags, Init } from './usage.ts'

/** How the provider is reached, by flags. Throws `config.unreadable` for a file or an address that is none. */
export function readReach({ ca, 'internal-url': address }: Flags, io: Io): Reach {
  const internal = address === undefined ? null : parseInternalUrl(address)
  if (internal?.ok === false) {
    throw new GateError('config.unreadable', `--internal-url: ${internal.message}`, { hint: internal.hint })
  }
  const authorities = ca === undefined ? null : readGivenFile(ca, io)
  const fault = authorities === null ? null : checkCertificates(authorities)
  if (fault !== null) throw new GateError('config.unreadable', `--ca: ${ca} ${fault}`)
  return { internalUrl: internal?.value ?? null, ca: authorities, ways: null }
}

/**
 * The proxy by which the internet is reached; null: by none. What has an address inside is asked without it. Throws `config.unreadable`
 * for an address that is none.
 */
export function readOutgoing({ 'outgoing-proxy': address }: Flags, { internalUrl }: Reach): OutgoingConfig | null {
  if (address === undefined) return null
  const proxy = parseProxy(address)
  if (!proxy.ok) throw new GateError('config.unreadable', `--outgoing-proxy: ${proxy.message}`, { hint: proxy.hint })
  const hosts = internalUrl === null ? [] : [new URL(internalUrl).hostname]
  return { proxy: proxy.value, authorization: null, except: { hosts, suffixes: [], networks: [] } }
}

/**
 * Where the provider is once Sallyport leads to it; null where it does not. Throws `config.unreadable` where that cannot be: its host
 * is somebody else's, or browsers would not reach it there.
 */
export function placeProvider(
  { reach }: Pick<Init, 'reach'>,
  issuer: string,
  { host, portal, coming }: { readonly host: string; readonly portal: string | null; readonly coming: Coming },
  hasFront: boolean,
  isWanted: boolean,
): ProviderPlace | null {
  if (!isWanted) return null
  const refuse = (why: string, hint: string) => new GateError('config.unreadable', `--provider-route: ${why}`, { hint })
  if (issuer === '' || reach.internalUrl === null) {
    throw refuse(
      'it is not said where the provider is',
      'name it with --issuer, and with --internal-url the address by which Sallyport reaches it, such as http://pocket-id:1411',
    )
  }
  if (hasFront)
    throw refuse('a proxy of yours has the application', 'let that proxy forward to the provider, or remove --front')
  const { origin, hostname } = new URL(issuer)
  if (hostname === host || (portal !== null && hostname === new URL(portal).hostname)) {
    throw refuse(
      `${hostname} is where people sign in at Sallyport, or the application is`,
      'give the provider a separate host',
    )
  }
  const reached = originBy(coming, hostname)
  if (reached !== origin) throw refuse(`browsers would come to ${reached}, and the issuer is ${origin}`, 'see --tls')
  return { host: hostname, upstream: reach.internalUrl }
}

/** The provider's metadata, asked for now; or why it cannot be had. */
export async function askProvider(
  issuer: string,
  { ports, reach }: Pick<Init, 'ports' | 'reach'>,
): Promise<Parsed<Metadata>> {
  const quiet = () => undefined
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
  const fetch = createProviderFetch(ports, DEFAULT_WIRE_LIMITS, reach)
  const placed = { issuer, metadataUrl: null, internalUrl: reach.internalUrl }
  try {
    return good(await createMetadataSource(placed, fetch, { now: ports.now, log }).get())
  } catch (thrown) {
    const error = toGateError(thrown)
    return bad('issuer.invalid', error.message, isUntrusted(error.cause) ? CA_HINT : hintFor(error))
  }
}

const CA_HINT =
  'no authority that is trusted here has signed its certificate; --ca FILE names the certificate of one of your own, as NODE_EXTRA_CA_CERTS=FILE in the environment does for everything'

/** What `routes.toml` would have to say is a flag here. */
function hintFor({ hint = '' }: GateError): string {
  return hint.replace(/^write issuer = "(.*)"$/, 'its issuer is $1').replaceAll('internal_url = ', '--internal-url ')
}

/** The client's credentials: known, or to be made with an API key; none where there is no provider. */
export type Client =
  | { readonly kind: 'known'; readonly id: string; readonly secret: string | null }
  | { readonly kind: 'make'; readonly apiKey: string }
  | { readonly kind: 'none' }

/** Who Sallyport is to the provider. `mayMake`: the client can be made there. Throws `config.unreadable` for a file of a flag. */
export async function findClient(
  { flags, io }: Init,
  answer: AnswerQuestion,
  place: Pick<Plan, 'portal' | 'host' | 'coming' | 'preset'>,
  mayMake: boolean,
): Promise<Client> {
  const keyFile = flags['api-key-file']
  if (keyFile !== undefined) return { kind: 'make', apiKey: readGivenFile(keyFile, io) }
  if (flags['client-id'] === undefined && flags.yes !== true && mayMake) {
    const apiKey = await answer(questions.API_KEY, undefined)
    if (apiKey !== '') return { kind: 'make', apiKey }
  }
  if (flags['client-id'] === undefined && place.host !== '') {
    io.stderr(`  Register a client at the provider, with this callback: ${callbackOf(place)}\n`)
  }
  const id = await answer(questions.CLIENT_ID, flags['client-id'])
  if (flags.public === true) return { kind: 'known', id, secret: null }
  const secretFile = flags['client-secret-file']
  const secret =
    secretFile === undefined
      ? await answer(
          { ...questions.CLIENT_SECRET, fallback: flags.yes === true || place.preset !== null ? null : '' },
          undefined,
        )
      : readGivenFile(secretFile, io)
  return { kind: 'known', id, secret: secret === '' ? null : secret }
}

/** A file that a flag names, without blanks at its ends. Throws `config.unreadable`, also for one with nothing in it. */
export function readGivenFile(path: string, io: Io): string {
  let text: string
  try {
    text = io.readText(resolve(io.cwd, path)).trim()
  } catch (thrown) {
    throw new GateError('config.unreadable', `${path} ${whyUnreadable(thrown)}`)
  }
  if (text === '') throw new GateError('config.unreadable', `${path} is empty`)
  return text
}
