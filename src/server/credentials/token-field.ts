/** Finds an API token in the fields of a request, and takes it out. */

import { TOKEN_PREFIX } from '../../session/credentials/api-tokens.ts'

/** A request's fields while they are still this process's own to change. */
type OwnFields = Record<string, string>

/**
 * Finds where a token begins in a field. Not in the middle of a word: one JWT of a thousand has these letters
 * somewhere in its signature.
 */
const ANY_TOKEN = /(?<![A-Za-z0-9_-])sp_[A-Za-z0-9_-]{43}/

/** Where a token comes beside an Authorization of the application's own. */
export const TOKEN_FIELD = 'x-sallyport-token'

/** A longer field contains no Sallyport token. */
const LONGEST = 4096

/**
 * Takes a token out of a request's fields, so that the application does not see it. Null: there is none. The empty
 * text: the fields do not hold exactly one well-formed token; it counts as an unknown token.
 *
 * Shape: `Authorization: Bearer sp_…`, `Authorization: Basic` with the token as its password (any user name), or
 * `X-Sallyport-Token: sp_…`, with which the application's own Authorization passes. Never the query.
 * Source: RFC 6750 §2.1 (Bearer; §2.3, the query, is left out on purpose), RFC 7617 §2 (Basic).
 */
export function takeToken(fields: OwnFields): string | null {
  const { authorization } = fields
  const own = fields[TOKEN_FIELD]
  if (authorization === undefined && own === undefined) return null
  const carried = authorization === undefined ? null : tokenOf(authorization)
  if (carried !== null) delete fields.authorization
  if (own === undefined) return carried
  delete fields[TOKEN_FIELD]
  return carried === null || carried === own ? own : ''
}

function tokenOf(authorization: string): string | null {
  const [lead = '', scheme = ''] = /^(bearer|basic) +/i.exec(authorization) ?? []
  const rest = lead === '' ? '' : authorization.slice(lead.length)
  if (scheme.toLowerCase() === 'basic' && rest.length <= LONGEST) {
    const pair = Buffer.from(rest, 'base64').toString('latin1')
    if (!ANY_TOKEN.test(pair)) return ANY_TOKEN.test(authorization) ? '' : null
    return pair.slice(pair.indexOf(':') + 1)
  }
  if (rest.startsWith(TOKEN_PREFIX)) return rest
  return ANY_TOKEN.test(authorization) ? '' : null
}
