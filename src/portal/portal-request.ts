/** A request as the portal sees it (`PortalRequest`), with what it may ask about routes and sessions. */

import type { AuditFacts } from '../audit/record.ts'
import type { Audit } from '../audit/writer.ts'
import { GateError } from '../base/errors.ts'
import type { PortalConfig } from '../config/resolve/portals.ts'
import type { ProviderConfig } from '../config/resolve/providers.ts'
import type { Picture } from '../config/values/picture.ts'
import { repeatedName } from '../identity/authorization-response.ts'
import type { RuleTrust } from '../identity/claim-trust.ts'
import type { Identity } from '../identity/identity.ts'
import type { StepUp } from '../identity/step-up.ts'
import type { Target } from '../route/target.ts'
import type { Session } from '../session/session.ts'

/** What an address of a program that stood here before is for. */
export type CompatPage =
  | 'sign_in'
  | 'sign_out'
  | 'start'
  | 'userinfo'
  | 'auth'
  | 'static'
  | 'robots.txt'
  | 'ping'
  | 'ready'
  | 'portal'
  | 'login'
  | 'logout'
  | 'whoami'

/** One request for such an address. */
export interface CompatRequest {
  readonly page: CompatPage
  /** Below which that program had its pages, without a slash at the end. */
  readonly prefix: string
  /** Whether the file has anything on a host. */
  isServed(host: string): boolean
  /** Whether this user may now open at least one non-public route of this host; false where the host has none. */
  mayOpenHost(session: Session): boolean
  /** Whose word the portal's rules take that name no provider. */
  readonly trust: RuleTrust
  /** The fields by which that program said who someone is, ready for the wire. */
  fieldsOf(session: Session): readonly (readonly [name: string, value: string])[]
}

/** One request as the portal sees it. Everything it needs from the snapshot travels here as an argument. */
export interface PortalRequest {
  readonly request: Request
  readonly target: Target
  /** Whether the request must not be redirected to a page, even if its Accept allows one. */
  readonly isProgram: boolean
  /** The origin by which the client knows this host: scheme, host and port. */
  readonly origin: string
  /**
   * The origin that browsers use to reach a host of this portal. It has Sallyport's own port, not the one that the
   * request named. `authority` is the host, or host:port.
   */
  reachedAt(at: { readonly host: string; readonly authority: string }): string
  /** Whether it came by plain HTTP, as far as can be seen, though the portal is made for HTTPS. */
  readonly cameByPlainHttp: boolean
  readonly clientAddress: string
  /** Whether that is the client's own for certain, and not that of a proxy which does not say whose. */
  readonly isClientProven: boolean
  readonly requestId: string
  /** The portal that this host belongs to. */
  readonly portal: PortalConfig
  readonly providers: ReadonlyMap<string, ProviderConfig>
  /** How a provider of this portal pushes, by the file that is there when it is called; null: it does not. */
  scimOf(provider: string): ProviderConfig['scim']
  /** Whether providers should say when they authenticated someone. */
  readonly wantsAuthTime: boolean
  /** Whether an application of this portal is to have the provider's access token. */
  readonly wantsAccess: boolean
  /** How forms are kept on the route that was asked; null where none are, and for our own pages. */
  readonly keepsForms: { readonly maxBytes: number; readonly name: string } | null
  /**
   * The widest scope for a service worker of the requested route, as a path prefix; null where no worker of
   * Sallyport's may replace one.
   */
  readonly workerScope: string | null
  /** Whether the route at a path of this host wants the fragment of its address kept while people sign in. */
  keepsFragment(path: string): boolean
  /** Whether any route of this portal keeps forms. Then browsers get a cookie that names the owner of their pages. */
  readonly hasKeptForms: boolean
  /** This host's live session at this portal, or null. */
  readonly session: Session | null
  /** The session of this browser's cookie whose device is not proven, or which is bound to none and has to be; null: none. */
  readonly unproven: Session | null
  /** Whether a proof of its device came that does not count any more. */
  readonly hasStaleProof: boolean
  /** Until when the device of `session` is proven; 0 where none has to be. */
  readonly provenUntilMs: number
  /** Whether a route with this portal is served on a host. */
  serves(host: string): boolean
  /** What an address of a replaced proxy also needs; null for one of Sallyport's own addresses. */
  readonly compat: CompatRequest | null
  /** This user's roles at this portal, by the file that is there when it is called. */
  rolesOf(session: Session): readonly string[]
  /** Of each portal where users of this provider come in, this one too: the roles that a user has there, by the current file; null: none lets them in. */
  rolesByPortal(provider: string): ReadonlyMap<string, (identity: Identity) => readonly string[] | null>
  /** Whether this host's application, and so its scripts, may know who the user is. */
  readonly isTold: boolean
  /** What applications and their scripts may know of this user. */
  told(session: Session): Told
  /** What a guest link for this host and path would open; null where none can be. */
  guestTarget(host: string, path: string): GuestTarget | null
  /** The applications of which this person may make guest links, in the order of the file. */
  guestPlaces(session: Session): readonly GuestPlace[]
  /** The route at a path of this host and the roles that this person may ask for there; null where there are none. */
  askedRoute(session: Session, path: string): AskedRoute | null
  /** Whether a path of this host is open to this person now, by the rules, as a page load from where they are. */
  isOpenTo(session: Session, path: string): boolean
  /** Whether clients reach Sallyport's own addresses on this host: not where a proxy in front only asks for a verdict. */
  readonly keepsOwnAddresses: boolean
  /** The application at a host and path of this portal, for whoever is about to sign in; null where there is none to tell of. */
  waiting(host: string, path: string): { readonly name: string; readonly picture: string | null } | null
  /** How many requests for access wait for an admin of the portal. */
  waitingRequests(): number
  /** What this person may open, for the portal page. */
  applications(session: Session): readonly Application[]
  /** Where a token of this person would be taken. */
  tokenPlaces(session: Session): readonly TokenPlace[]
  /** The routes of this portal whose clients find their way to a token by themselves. */
  readonly resources: ProtectedResources
  /** The icon of a route of this portal by its hash, or null. */
  iconOf(hash: string): Picture | null
}

/** A user without the claims that no provider is trusted for, and with the roles. */
export interface Told {
  readonly identity: Identity
  readonly roles: readonly string[]
}

/** What a guest link for one host and path would open. */
export interface GuestTarget {
  /** What the application is called. */
  readonly name: string
  /** Whether this person may open it themselves, for certain and now. */
  isOpenTo(session: Session): boolean
  /** Whether the user who made this guest's link may share it now; an operator may at any time. */
  isSharedWith(guest: Session): boolean
}

/** An application that takes guests. */
export interface GuestPlace {
  readonly name: string
  readonly address: string
}

/** The MCP servers of a portal, as clients ask about them. */
export interface ProtectedResources {
  /** Whether the portal gives tokens for any of them. */
  readonly hasOwn: boolean
  /** The one whose metadata is at a path of the host that was asked; null: there is none. */
  described(path: string): ProtectedResource | null
  /**
   * The resource with this exact address for which the portal issues tokens, by the current file; null: there is none.
   */
  at(address: string): ProtectedResource | null
}

/** One MCP server. */
export interface ProtectedResource {
  /** What people call it. */
  readonly name: string
  /** Its name as a resource, and its host without a port. */
  readonly address: string
  readonly host: string
  /** The id of its route, and the route's path. */
  readonly route: string
  readonly path: string
  /** Issuers of the providers that give tokens for it; null: the portal does. */
  readonly issuers: readonly string[] | null
  /** Whether this person may use it, for certain and now, with a token. */
  isOpenTo(session: Session): boolean
}

/** A route that somebody is refused at, and the roles of which each would let them in. */
export interface AskedRoute {
  readonly id: string
  readonly roles: readonly string[]
}

/** A host and path that takes tokens. */
export interface TokenPlace {
  /** As people read it, without a scheme: `git.example.com/team`. */
  readonly place: string
  /** What to ask; null for a wildcard, which is no address. */
  readonly address: string | null
}

export interface Application {
  readonly name: string
  readonly address: string
  readonly description: string | null
  /** The heading that it stands under. */
  readonly group: string | null
  /** The address of its picture, on this host; null: it is shown as a letter. */
  readonly icon: string | null
  /** Whether it answers, as far as this process knows; null where nothing has to. */
  readonly health: 'up' | 'down' | 'unknown' | null
}

/** A form that met no session, as it came. */
export interface KeptForm {
  /** Path and query, on the host where it was sent. */
  readonly path: string
  readonly type: string
  readonly body: Uint8Array<ArrayBuffer>
  /** The page that it came from, as a path of the same host; null where that is not known. */
  readonly from: string | null
  /** What people call the application. */
  readonly name: string
  readonly atMs: number
}

/** A kept form that was taken out of the store: no other request can get it. */
export interface ReleasedForm extends KeptForm {
  /**
   * Keeps the form again, under the same id and until the same time: for a caller that could not forward it. Never
   * throws.
   */
  putBack(): Promise<void>
}

/**
 * The result for a form that may ask for a kept one: the kept form, its own body where it does not ask, or one of
 * Sallyport's pages.
 */
export type Released = ReleasedForm | Uint8Array<ArrayBuffer> | Response

/** The portal as the server calls it: it answers, it never forwards, and it never throws. */
export interface Portal {
  /** Every reserved path, the portal's callback path, and `/` on the portal's own host where no route took it. */
  handle(ctx: PortalRequest): Response | Promise<Response>
  /** The same where the session could not be read: takes a sign-out, so that it is done later. Throws this failure for everything else. */
  handleUnread(ctx: PortalRequest, failure: GateError): Promise<Response>
  /** An anonymous request to a protected route: a redirect to sign-in for page loads, 401 for the rest. */
  challenge(ctx: PortalRequest): Response | Promise<Response>
  /** A kept form that its sender asks to be sent, released once. A page where there is none for this sender. */
  release(ctx: PortalRequest): Promise<Released>
  /** Someone whose sign-in is too old or too weak for a route: a new sign-in for page loads, 401 for the rest. */
  stepUp(ctx: PortalRequest, demand: StepUp): Response | Promise<Response>
}

/** What every handler needs that writes to the audit trail. */
export interface AuditTools {
  readonly audit: Audit
}

/** From where something was asked of the portal. */
export function askedFacts({ portal, clientAddress, request, requestId }: PortalRequest): AuditFacts {
  const agent = request.headers.get('user-agent') ?? undefined
  return { portal: portal.name, client: clientAddress, agent, id: requestId }
}

/**
 * The parameters of one of our own addresses.
 *
 * Throws `target.malformed` when any occurs twice: what is read in two ways is refused (RFC 6749 §3.1 in spirit).
 */
export function readQuery({ target }: PortalRequest): URLSearchParams {
  const query = new URLSearchParams(target.query)
  const twice = repeatedName(query)
  if (twice !== null) throw new GateError('target.malformed', `parameter ${twice.slice(0, 40)} occurs twice`)
  return query
}
