import type { ProviderTable } from '../keys/providers.ts'
import { showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { FILE_HINT } from '../text/substitute.ts'
import type { ConfigFiles } from '../values/files.ts'
import { parseClientKey } from '../values/pem/client-key.ts'

/** What a client can prove itself by, each with the methods that use it. */
const PROOFS = {
  client_secret: ['client_secret_basic', 'client_secret_post'],
  client_key: ['private_key_jwt'],
  client_assertion_file: ['private_key_jwt'],
} as const

const NAMES = Object.keys(PROOFS) as (keyof typeof PROOFS)[]

/** How a client proves itself: by one thing, which is there, and in a way that fits it. */
export function checkClientAuth({ at, raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const [own, second] = NAMES.filter(name => raw.entries.has(name))
  const entry = second === undefined ? undefined : raw.entries.get(second)
  if (entry !== undefined) {
    const hint = 'a client proves itself in one way: remove what the provider does not expect'
    report.mistake(entry.at, 'client_auth.several', `${second} is set, and so is ${own}`, { hint, part: 'key' })
  }
  const { client_auth: auth } = values
  if (auth === 'none' && own !== undefined) {
    const hint = `remove ${own} for a public client, or remove client_auth`
    const message = `client_auth is "none", and there is a ${own}`
    report.mistake([...at, 'client_auth'], 'client_auth.secret', message, { hint })
  }
  if (auth && auth !== 'none' && second === undefined) {
    const wanted = NAMES.filter(name => PROOFS[name].some(method => method === auth))
    if (own === undefined || !wanted.includes(own)) {
      const hint = `add ${wanted.join(' or ')}, or set client_auth = "none" for a public client`
      const message = `client_auth = ${showRaw(raw.entries.get('client_auth'))} needs a ${wanted.join(' or ')}`
      report.mistake([...at, 'client_auth'], 'client_auth.secret', message, { hint })
    }
  }
  checkKey({ at, raw, values }, files, report)
  checkAssertion({ at, raw, values }, files, report)
}

function checkKey({ raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const entry = raw.entries.get('client_key')
  if (entry === undefined || !values.client_key) return
  const file = files.read(values.client_key)
  if (!file.ok) {
    report.mistake(entry.at, 'provider.file', `the file ${showRaw(entry)} ${file.why}`, { hint: FILE_HINT })
    return
  }
  const parsed = parseClientKey(file.text)
  if (typeof parsed !== 'string') return
  const hint = 'openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client-key.pem makes one'
  report.mistake(entry.at, 'provider.pem', `the file ${showRaw(entry)} ${parsed}`, { hint })
}

/** The file may come later than we do, and changes without us: that it is not there yet is told, and no mistake. */
function checkAssertion({ raw, values }: ProviderTable, files: ConfigFiles, report: Report): void {
  const entry = raw.entries.get('client_assertion_file')
  const path = values.client_assertion_file
  const why = entry === undefined || !path ? null : files.whyNoText(path)
  if (entry !== undefined && why !== null) {
    const hint = 'nobody can sign in until it is there; it is read for each question at the token endpoint'
    report.warn(entry.at, 'provider.file', `the file ${showRaw(entry)} ${why}`, { hint })
  }
  const audience = raw.entries.get('client_assertion_audience')
  if (audience === undefined || raw.entries.has('client_key')) return
  const hint = 'remove it: whoever writes client_assertion_file decides about its audience'
  const message = 'client_assertion_audience is for assertions that are made with a client_key'
  report.mistake(audience.at, 'client_auth.secret', message, { hint, part: 'key' })
}
