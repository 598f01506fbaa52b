/** `sallyport user invite`: a link by which a user of a file creates a passkey. */

import type { Config } from '../../config/resolve/config.ts'
import type { PortalConfig } from '../../config/resolve/portals.ts'
import type { ProviderConfig } from '../../config/resolve/providers.ts'
import { EXIT, failWith } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { type FilePerson, personOf, userSubject } from '../../identity/passwords/users.ts'
import { invitationAddress } from '../../portal/admin/invite-person.ts'
import { momentOf } from '../../portal/layout/time.tsx'
import { EN } from '../../portal/words/en.ts'
import { type StorePorts, withSessions } from '../with-sessions.ts'

/** Whom to invite, and where they will sign in: null where the file leaves no choice. */
export interface InviteWish {
  readonly name: string
  readonly portal: string | null
  readonly config: string
}

/** A portal where somebody of this name could have a passkey. */
interface InvitePortal {
  readonly portal: PortalConfig
  readonly provider: ProviderConfig
  readonly person: FilePerson
}

/** Prints the link, this once; answers the exit code. It works at once on a running server. */
export function runInvite({ name, portal, config: file }: InviteWish, io: Io, ports: StorePorts): Promise<number> {
  return withSessions(file, io, ports, async (config, sessions, { audit }) => {
    const found = portalFor(config, name, portal)
    if (typeof found === 'string') return failWith(io, found)
    const { person, provider } = found
    const { url, name: portalName } = found.portal
    if (url === null) throw new TypeError('a portal with passkeys has a url')
    const { text, expiresAtMs } = await sessions.invitations.make(person, { portal: portalName, by: '' })
    const facts = { user: userSubject(name), name, provider: provider.name, portal: portalName, by: 'operator' }
    await audit.keep('invitation.made', facts)
    const { passkeys } = await sessions.accounts.of(person)
    io.stdout(`${invitationAddress(`${url.scheme}://${url.authority}`, text)}\n`)
    const until = momentOf(expiresAtMs, EN)
    io.stderr(
      `Give this link to ${name} only: it signs in as ${name}. It is shown once, and works once, until ${until}.\n`,
    )
    if (passkeys.length > 0) {
      const others = 'sessions, API tokens and guest links end when it is used'
      io.stderr(
        `${name} has ${passkeys.length === 1 ? 'a passkey' : `${passkeys.length} passkeys`}: other ${others}.\n`,
      )
    }
    return EXIT.ok
  })
}

/** Where somebody is invited to; text: why nowhere. */
function portalFor(config: Config, name: string, wanted: string | null): InvitePortal | string {
  if (wanted !== null && !config.portals.has(wanted)) return `the file has no portal ${wanted}`
  const places = [...config.portals.values()].flatMap(portal =>
    portal.providers.flatMap((own): readonly InvitePortal[] => {
      const provider = config.providers.get(own)
      const person = provider === undefined ? null : personOf(provider, name)
      return provider === undefined || person === null ? [] : [{ portal, provider, person }]
    }),
  )
  if (places.length === 0) return `no users file of a provider has ${name}: add the user with "sallyport user add"`
  const possible = places.filter(({ portal }) => portal.rpId !== null && (wanted === null || portal.name === wanted))
  const [only, ...others] = possible
  if (only === undefined) {
    const names = wanted === null ? [...new Set(places.map(({ portal }) => portal.name))] : [wanted]
    const why = 'passkeys are for the host name of a url, by https'
    return `${name} can have no passkey at ${names.join(', ')}: ${why}; write url = "https://auth.example.com" in [portals.${names[0]}], or for a try on this machine url = "${urlForTry(config)}"`
  }
  if (others.length > 0) {
    const names = possible.map(({ portal }) => portal.name)
    return `${name} is in the files of several portals, and a passkey is for one of them: say --portal ${names.join(' or ')}`
  }
  return only
}

/** Where browsers of this machine come to a portal by plain HTTP. */
function urlForTry({ server }: Config): string {
  const [port = 8080] = server.listen.flatMap(address => (address.kind === 'tcp' ? [address.port] : []))
  return `http://auth.localhost${port === 80 ? '' : `:${port}`}`
}
