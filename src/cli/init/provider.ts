import { GateError, toGateError } from '../../base/errors.ts'
import { bad, good, type Parsed } from '../../config/text/outcome.ts'
import { parseInternalUrl } from '../../config/values/address.ts'
import { checkCertificates } from '../../config/values/pem/pem.ts'
import type { Io } from '../../console/io.ts'
import type { Metadata } from '../../identity/endpoints.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS, type Reach } from '../../identity/http.ts'
import { createMetadataSource } from '../../identity/metadata.ts'
import { isUntrusted } from '../../identity/unreached.ts'
import { readGivenFile } from './client.ts'
import type { Flags, Init } from './init.ts'

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
