import type { Path } from '../../text/raw.ts'
import type { Report } from '../../text/report.ts'
import { text } from '../../values/value.ts'
import { named } from '../table.ts'

/** What a sign-in itself needs or means, with what says it here, if anything does. */
const OWN: Readonly<Record<string, string>> = {
  response_type: '',
  response_mode: '',
  client_id: 'client_id',
  redirect_uri: 'callback_path of the portal',
  scope: 'scopes',
  state: '',
  nonce: '',
  code_challenge: '',
  code_challenge_method: '',
  max_age: 'max_age in a rule',
  request: '',
  request_uri: '',
  registration: '',
  id_token_hint: '',
  client_secret: 'client_secret',
  client_assertion: '',
  client_assertion_type: '',
  code: '',
  code_verifier: '',
  grant_type: '',
  dpop_jkt: '',
  iss: '',
  error: '',
}

/** As a server may take a name that knows no case, or no signs between: `redirect.uri` is `redirect_uri` to PHP. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

const FOLDED = new Map(Object.entries(OWN).map(([name, key]) => [fold(name), key]))

/** `authorize_params` of a provider: texts by the name of a parameter. */
export const authorizeParams = named(text(), 'parameter', refuseOwn, {
  form: /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/,
  hint: 'letters, digits, _, . and - only, with a letter first',
})

function refuseOwn(name: string, at: Path, report: Report): void {
  const key = FOLDED.get(fold(name))
  if (key === undefined) return
  const hint = key === '' ? 'remove it: the sign-in sets it' : `remove it: ${key} says it`
  report.mistake(at, 'authorize_params.reserved', `${name} belongs to the sign-in itself`, { hint, part: 'key' })
}
