import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { askAgain, type Recording, recordingsOf, type Surroundings, startSurroundings } from '../kit/recorded.ts'

/** Rows that come out the same, that are refused now, and that another application answers; none may have opened. */
type Counts = readonly [same: number, closed: number, elsewhere: number]

/** What is known to come of each recording: a change here has to be for the better. */
const CADDY: Readonly<Record<string, Counts>> = {
  'c02-acl': [30, 6, 0],
  'c04-aclpath': [54, 0, 0],
  'c04c-aclmethod': [34, 2, 0],
  'c06-bypass': [180, 18, 0],
  'c08-transform': [28, 8, 0],
  'c09c-drop': [12, 24, 0],
  'c11-addr': [36, 0, 0],
  'c13-sites': [20, 4, 0],
  'c14-other-guards': [21, 0, 0],
  'c15-basic-global': [6, 0, 0],
  'c17-lan': [36, 0, 0],
  'c19-wild': [18, 0, 0],
  'c31-stop': [36, 0, 0],
  'c34-field': [36, 0, 0],
  'c36-defdeny': [36, 0, 0],
  'c41-sitelevel': [6, 0, 0],
  'c43-route': [54, 3, 15],
  'c46-denyonly': [36, 0, 0],
  'c48-organy': [36, 0, 0],
  'c51-groupsdeny': [36, 0, 0],
  'c53-rewrite': [36, 0, 0],
  'c61-ident': [36, 0, 0],
  'c63-eve': [30, 6, 0],
}

let surroundings: Surroundings
beforeAll(async () => {
  surroundings = await startSurroundings()
})
afterAll(async () => {
  await surroundings[Symbol.asyncDispose]()
})

async function holds(recording: Recording, of: 'everyone' | 'whoever got in', counts: Counts | undefined) {
  const { same, closed, elsewhere, opened } = await askAgain(recording, surroundings, of)
  expect(opened).toEqual([])
  expect([same, closed.length, elsewhere.length]).toEqual([...(counts ?? [])])
}

describe('nothing that Caddy with caddy-security refused is open in what is made of its file', () => {
  for (const recording of recordingsOf('caddy-security')) {
    // Whoever got no session there was not judged by any rule.
    test(recording.name, () => holds(recording, 'whoever got in', CADDY[recording.name]))
  }
})
