/** Passkeys on pages: a challenge for each page, for one browser and one purpose. */

import type { Audit } from '../../audit/writer.ts'
import { randomToken } from '../../base/bytes.ts'
import type { GateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { CEREMONY_MS, type Ceremony } from '../../identity/passkeys/ceremony.ts'
import type { Sealer } from '../../session/seal.ts'
import { portalOrigin } from '../paths.ts'
import { askedFacts, type PortalRequest } from '../portal-request.ts'

interface CeremonyTools {
  readonly ports: Pick<Ports, 'now' | 'random'>
  readonly seal: Sealer
}

/** What a ceremony is for, and in whose hands: a browser by its cookie, a session, or an invitation. */
export interface CeremonyPurpose {
  readonly use: 'sign-in' | 'confirm' | 'create' | 'invitation'
  readonly of: string
}

/** A ceremony that begins on a page, sealed for the form that ends it. */
export interface OfferedCeremony {
  readonly ceremony: Ceremony
  readonly sealed: string
}

/** A ceremony for this portal; null where it has no passkeys. Nothing is kept of it: the form brings it back. */
export async function beginCeremony(
  ctx: PortalRequest,
  { ports, seal }: CeremonyTools,
  { use, of }: CeremonyPurpose,
): Promise<OfferedCeremony | null> {
  const where = placeOf(ctx)
  if (where === null) return null
  const challenge = randomToken(ports.random)
  const sealed = await seal.seal({ challenge, of }, purposeOf(ctx, use), ports.now() + CEREMONY_MS)
  return { ceremony: { ...where, challenge }, sealed }
}

/** The ceremony that a form brings back; null for one of another purpose, browser, session or portal, and for one that is too old. */
export async function resumeCeremony(
  ctx: PortalRequest,
  { seal }: Pick<CeremonyTools, 'seal'>,
  { use, of }: CeremonyPurpose,
  sealed: string,
): Promise<Ceremony | null> {
  const where = placeOf(ctx)
  const opened = where === null ? null : await seal.open(sealed, purposeOf(ctx, use))
  if (where === null || typeof opened !== 'object' || opened === null) return null
  if (!('challenge' in opened && 'of' in opened) || opened.of !== of) return null
  return typeof opened.challenge === 'string' ? { ...where, challenge: opened.challenge } : null
}

/** Writes to the audit trail that a passkey was refused; the log's line says why. */
export function notePasskeyRefused(
  ctx: PortalRequest,
  audit: Audit,
  { name: provider }: Pick<ProviderConfig, 'name'>,
  { facts: { user, name, reason }, message: error, cause }: GateError,
): void {
  const known = typeof user === 'string' && typeof name === 'string' ? { user, name } : {}
  const facts = { ...askedFacts(ctx), provider, ...known, ...(typeof reason === 'string' ? { reason } : {}) }
  const why = cause instanceof Error ? { error, cause: cause.message } : { error }
  audit.note('sign_in.passkey_wrong', facts, { facts: why })
}

/** Where browsers make and show passkeys of a portal: the file says it, and no request. */
function placeOf(ctx: PortalRequest): Pick<Ceremony, 'origin' | 'rpId'> | null {
  const { rpId } = ctx.portal
  return rpId === null ? null : { origin: portalOrigin(ctx), rpId }
}

function purposeOf({ portal }: PortalRequest, use: CeremonyPurpose['use']): string {
  return `passkey ${use} at ${portal.name}`
}
