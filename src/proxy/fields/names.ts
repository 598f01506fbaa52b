/** Names of fields: presets of identity fields, and what becomes of each field that a client sends. */

import { memoize } from '../../base/memoize.ts'
import { foldFieldName, type HeaderPreset } from '../../config/values/headers.ts'
import {
  CGI_VARIABLE,
  FORWARDING_FIELDS,
  IDENTITY_FIELDS,
  isListed,
  PATH_FIELDS,
} from '../../config/values/stripped-fields.ts'
import { REQUEST_HOP_BY_HOP } from './hop-by-hop.ts'

/** The identity fields of each preset, as `name: template`. Names as the peers use them. */
export const PRESETS: Readonly<Record<HeaderPreset, readonly { readonly name: string; readonly template: string }[]>> =
  {
    none: [],
    'x-token': [
      { name: 'x-token-subject', template: '{sub}' },
      { name: 'x-token-user-name', template: '{name}' },
      { name: 'x-token-user-email', template: '{email}' },
      { name: 'x-token-user-roles', template: '{roles}' },
    ],
    'caddy-security': [
      { name: 'x-token-subject', template: '{sub}' },
      { name: 'x-token-user-name', template: '{name}' },
      { name: 'x-token-user-email', template: '{email}' },
      { name: 'x-token-user-roles', template: '{all_roles}' },
    ],
    'x-forwarded': [
      { name: 'x-forwarded-user', template: '{sub}' },
      { name: 'x-forwarded-email', template: '{email}' },
      { name: 'x-forwarded-groups', template: '{groups}' },
      { name: 'x-forwarded-preferred-username', template: '{preferred_username}' },
    ],
    'x-auth-request': [
      { name: 'x-auth-request-user', template: '{sub}' },
      { name: 'x-auth-request-email', template: '{email}' },
      { name: 'x-auth-request-groups', template: '{groups}' },
      { name: 'x-auth-request-preferred-username', template: '{preferred_username}' },
    ],
    remote: [
      { name: 'remote-user', template: '{preferred_username}' },
      { name: 'remote-name', template: '{name}' },
      { name: 'remote-email', template: '{email}' },
      { name: 'remote-groups', template: '{groups}' },
    ],
  }

/** The field of each preset that says which provider vouched, for portals that have several. */
export const PROVIDER_FIELDS: Readonly<Record<HeaderPreset, string | null>> = {
  none: null,
  'x-token': 'x-token-provider',
  'caddy-security': 'x-token-provider',
  'x-forwarded': 'x-forwarded-provider',
  'x-auth-request': 'x-auth-request-provider',
  remote: 'remote-provider',
}

/** Fields that make some backends act on another method than the one that was checked, as `foldFieldName` writes them. */
export const METHOD_OVERRIDES: readonly string[] = ['x-http-method', 'x-http-method-override', 'x-method-override']

/** Fields that this hop writes for every request: nothing of the client's own is left. */
const REWRITTEN = [
  'host',
  'cookie',
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-request-id',
]

/** Framing belongs to the HTTP client that sends the request; only its exact spelling may pass. */
export const FRAMING: readonly string[] = [
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'cookie',
  'upgrade',
  'te',
]

/**
 * How a request field is treated on its way upstream. `identity` names the user and is dropped, as is `path`, which
 * names another target. `trusted` passes only from a trusted proxy. `rewrite` is always replaced by this hop's own
 * value. `judged` passes, and Connection does not take it away; `alias` is another spelling of one, and is dropped.
 */
export type FieldFate =
  | 'keep'
  | 'judged'
  | 'alias'
  | 'drop'
  | 'identity'
  | 'path'
  | 'trusted'
  | 'rewrite'
  | 'method-override'

/**
 * Fields for the final recipient that influence decisions on any route: a browser's question before a request (CORS),
 * or the type of a judged body.
 */
const JUDGED: readonly string[] = ['origin', 'access-control-request-method', 'content-type']

const MOST_KNOWN = 2048
const LONGEST_KNOWN = 64

/**
 * The fate of each request field, for a file whose own identity tables use `ownNames`, and whose trusted proxies may set
 * `trustedNames` (lower case; nothing that is ours to write can be among them), and say where the client is in `clientField`.
 *
 * Every identity field of every preset and of other gates is dropped on every route, in any spelling that a backend might fold into
 * it; a trusted one, and one that rules look at (`judgedNames`, in lower case), in every spelling but its own. What says where the
 * client is ends here, unless it is a trusted one as well. So does the name of a bound session, which browsers say where they could not
 * renew its proof: whoever has it can end that session.
 */
export function compileFieldFates(
  ownNames: Iterable<string>,
  trustedNames: Iterable<string> = [],
  clientField = 'x-forwarded-for',
  judgedNames: Iterable<string> = [],
  bindsSessions = false,
): (name: string) => FieldFate {
  const told = new Set<string>()
  for (const fields of Object.values(PRESETS)) for (const field of fields) told.add(foldFieldName(field.name))
  for (const name of Object.values(PROVIDER_FIELDS)) if (name !== null) told.add(foldFieldName(name))
  for (const name of ownNames) told.add(foldFieldName(name))
  const ended = new Set<string>([...REQUEST_HOP_BY_HOP, ...REWRITTEN].map(foldFieldName))
  if (bindsSessions) ended.add('secure-session-skipped')
  const rewritten = new Set(REWRITTEN)
  const overrides = new Set(METHOD_OVERRIDES)
  const framing = new Set(FRAMING)
  const trusted = new Set(trustedNames)
  const trustedFolded = new Set([...trusted].map(foldFieldName))
  if (!trustedFolded.has(foldFieldName(clientField))) ended.add(foldFieldName(clientField))
  const judged = new Set([...JUDGED, ...judgedNames])
  const judgedFolded = new Set([...judged].map(foldFieldName))

  function decide(name: string): FieldFate {
    if (rewritten.has(name)) return 'rewrite'
    const folded = foldFieldName(name)
    const fate = judge(name, folded)
    return fate === 'keep' ? judge(name, folded.replace(CGI_VARIABLE, '')) : fate
  }

  /** What a name that some backend reads as `folded` would be. */
  function judge(name: string, folded: string): FieldFate {
    if (told.has(folded)) return 'identity'
    if (ended.has(folded)) return 'drop'
    if (folded !== name && framing.has(folded)) return 'drop'
    if (overrides.has(folded)) return 'method-override'
    if (trustedFolded.has(folded)) return trusted.has(name) ? 'trusted' : 'identity'
    if (isListed(PATH_FIELDS, folded)) return 'path'
    if (FORWARDING_FIELDS.names.has(folded)) return 'drop'
    if (isListed(IDENTITY_FIELDS, folded)) return 'identity'
    if (isListed(FORWARDING_FIELDS, folded)) return 'drop'
    return judged.has(name) ? 'judged' : judgedFolded.has(folded) ? 'alias' : 'keep'
  }

  // Clients use a few dozen names: nearly every look-up is one map read. One name may be as long as a whole head.
  return memoize(decide, MOST_KNOWN, LONGEST_KNOWN)
}
