import { describe, expect, test } from 'bun:test'
import { untilTheEnd } from '../../kit/opened.ts'
import { askAgain, type Recording, recordingsOf, startSurroundings } from '../../kit/recorded.ts'

/** Rows that come out the same, that are refused now, and that another application answers; none may have opened. */
type Counts = readonly [same: number, closed: number, elsewhere: number]

/** What is known to come of each recording: a change here has to be for the better. */
const CADDY: Readonly<Record<string, Counts>> = {
  'c02-acl': [42, 0, 0],
  'c04-aclpath': [63, 0, 0],
  'c04c-aclmethod': [42, 0, 0],
  'c06-bypass': [231, 0, 0],
  'c08-transform': [42, 0, 0],
  'c09c-drop': [42, 0, 0],
  'c11-addr': [42, 0, 0],
  'c13-sites': [60, 0, 0],
  'c14-other-guards': [111, 0, 0],
  'c15-basic-global': [42, 0, 0],
  'c17-lan': [42, 0, 0],
  'c19-wild': [21, 0, 0],
  'c31-stop': [42, 0, 0],
  'c34-field': [42, 0, 0],
  'c36-defdeny': [42, 0, 0],
  'c41-sitelevel': [6, 0, 0],
  'c43-route': [84, 0, 0],
  'c46-denyonly': [42, 0, 0],
  'c48-organy': [42, 0, 0],
  'c51-groupsdeny': [42, 0, 0],
  'c53-rewrite': [42, 0, 0],
  'c61-ident': [42, 0, 0],
  'c63-eve': [42, 0, 0],
}
const OAUTH2_PROXY: Readonly<Record<string, Counts>> = {
  devnull: [42, 0, 0],
  'o01-groups': [42, 0, 0],
  'o03-emails': [42, 0, 0],
  'o04-trusted': [42, 0, 0],
  'o06-ups': [169, 20, 0],
  'o08-tokens': [42, 0, 0],
  'o08c-nohdr': [42, 0, 0],
  'o10-claims': [42, 0, 0],
  'o11-unverif': [42, 0, 0],
  'o15-preflight': [42, 0, 0],
  'o19-overlap': [84, 0, 0],
  'o21-ws': [42, 0, 0],
  'o23-none': [42, 0, 0],
  sha: [42, 0, 0],
}

/** What the report says of the rows that do not come out the same. */
const TOLD: Readonly<Record<string, RegExp>> = {
  'o06-ups': /^upstreams: files of a route: for GET and HEAD alone, .* without listings$/,
}

const keep = untilTheEnd()
const surroundings = keep(await startSurroundings())

async function holds(recording: Recording, counts: Counts | undefined) {
  const { same, closed, elsewhere, opened, changed, told } = await askAgain(recording, surroundings)
  expect(opened).toEqual([])
  // The application's address and what it is told of people, name by name.
  expect(changed).toEqual([])
  const say = TOLD[recording.name]
  expect(closed.length + elsewhere.length > 0).toBe(say !== undefined)
  if (say !== undefined) expect(told).toContainEqual(expect.stringMatching(say))
  expect([same, closed.length, elsewhere.length]).toEqual([...(counts ?? [])])
}

describe('nothing that Caddy with caddy-security refused is open in what is made of its file', () => {
  for (const recording of recordingsOf('caddy-security').filter(({ name }) => name in CADDY)) {
    // Whoever got no session there is to get nothing here, unless nobody could sign in at all and nothing else was asked.
    test(recording.name, () => holds(recording, CADDY[recording.name]))
  }
})

describe('nothing that oauth2-proxy refused is open in what is made of its file', () => {
  for (const recording of recordingsOf('oauth2-proxy')) {
    // It judged people as they signed in.
    test(recording.name, () => holds(recording, OAUTH2_PROXY[recording.name]))
  }
})
