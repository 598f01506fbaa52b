import { expect, test } from 'bun:test'
import { createLog } from '../../../src/base/log.ts'
import { createUntrusted } from '../../../src/server/observe/untrusted-proxy.ts'

test('strangers who send such fields do not keep a proxy of the own network from being told of', () => {
  const lines: string[] = []
  const log = createLog({ now: () => 0, style: 'json', write: line => void lines.push(line) })
  const untrusted = createUntrusted(log)
  for (let host = 1; host < 200; host++) untrusted.note(`8.8.8.${host}`, 'x-forwarded-for')
  for (let host = 1; host < 200; host++) untrusted.note(`10.0.0.${host}`, 'x-forwarded-for')
  expect(lines.map(line => JSON.parse(line)).map(({ level, peer }) => [level, peer])).toEqual([
    ...[1, 2, 3].map(host => ['info', `8.8.8.${host}`]),
    ...[1, 2, 3].map(host => ['warn', `10.0.0.${host}`]),
  ])
})

test('the field that was to say the client’s address is named', () => {
  const lines: string[] = []
  const log = createLog({ now: () => 0, style: 'json', write: line => void lines.push(line) })
  createUntrusted(log).note('10.0.0.1', 'x-real-ip')
  expect(lines.map(line => JSON.parse(line).message ?? JSON.parse(line).msg)).toEqual([
    'The field x-real-ip and the X-Forwarded-* fields of a peer are dropped: it is no trusted proxy, and counts as the client',
  ])
})
