import type { DiagnosticCode } from '../../../../src/config/text/diagnostic.ts'

/** A whole file without mistakes, into which each case puts one. */
export const GOOD = `[server]
listen = "0.0.0.0:8080"

[providers.pocket-id]
issuer = "https://id.example.com"
client_id = "gate"
client_secret = "hd83-jf93-ks02"

[portals.home]
url = "https://auth.example.com"
providers = ["pocket-id"]
[portals.home.roles]
user = { groups = ["users"] }

[[routes]]
host = "app.example.com"
upstream = "http://10.0.0.5:3000"
portal = "home"
allow = ["user"]
`

/**
 * Where what the hint says goes: under the caret, in place of the value of that line, in place of the line, or in place of every line
 * like it; `drop` takes the line away.
 */
export type Place = 'caret' | 'value' | 'line' | 'all' | 'drop'

/**
 * A mistake that people make: what is replaced in the good file and by what, what it is called, and how the hint is followed: the first
 * group of the pattern is what it says to write.
 */
export interface HintCase {
  readonly what: string
  readonly from: string
  readonly to: string
  readonly code: DiagnosticCode
  readonly place: Place
  readonly hint: RegExp
}

/** A case of these. */
export const one = (
  what: string,
  [from, to]: readonly [string, string],
  code: DiagnosticCode,
  place: Place,
  hint: RegExp,
): HintCase => ({ what, from, to, code, place, hint })
