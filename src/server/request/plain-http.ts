import { type Passage, schemeOf } from './passage.ts'

/** What proxies write, nearly all of them: whoever wrote one may have ended TLS. */
const PROXY_FIELDS = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']

/**
 * Whether a page was loaded by plain HTTP though HTTPS is promised, as far as can be seen.
 *
 * A trusted proxy says so. Else nothing looks like a proxy, and a browser does not say what it loads, as it does at every address that
 * it trusts (Fetch Metadata §2, Secure Contexts §3.1). Browsers of before 2023 never do, so that this is no proof.
 */
export function cameByPlainHttp(passage: Passage): boolean {
  const { front, sent, isPeerTrusted, question, snapshot } = passage
  if (question !== null || front.protocol === 'https' || schemeOf(passage) === 'http') return false
  if (isPeerTrusted) return sent['x-forwarded-proto'] === 'http'
  if (sent['sec-fetch-mode'] !== undefined || sent[snapshot.clientField] !== undefined) return false
  return PROXY_FIELDS.every(name => sent[name] === undefined)
}
