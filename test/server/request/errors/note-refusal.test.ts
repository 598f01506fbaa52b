import { expect, test } from 'bun:test'
import { type Code, GateError } from '../../../../src/base/errors.ts'
import { logFailure } from '../../../../src/server/request/errors/note-refusal.ts'
import { contextOf } from '../../../kit/context.ts'

test.each<[Code, boolean, 'error' | 'warn' | 'debug']>([
  ['internal', false, 'error'],
  ['internal', true, 'error'],
  ['upstream.refused', false, 'warn'],
  // The log has its like already, or the process has said it once.
  ['upstream.refused', true, 'debug'],
  ['limit.descriptors', false, 'debug'],
  // What the client can do something about.
  ['route.none', false, 'debug'],
  ['limit.rate', false, 'debug'],
])('the failure %s (known: %p) is in the log as %s', (code, isKnown, level) => {
  const told: string[] = []
  const tell = (name: string) => () => void told.push(name)
  const log = { debug: tell('debug'), info: tell('info'), warn: tell('warn'), error: tell('error') }
  logFailure(log, contextOf({}), new GateError(code, 'x'), isKnown)
  expect(told).toEqual([level])
})
