import { expect, test } from 'bun:test'
import { createLog } from '../../../src/base/log.ts'
import { createUntrusted } from '../../../src/server/observe/untrusted.ts'

test('strangers who send such fields do not keep a proxy of the own network from being told of', () => {
  const lines: string[] = []
  const log = createLog({ now: () => 0, style: 'json', write: line => void lines.push(line) })
  const untrusted = createUntrusted(log)
  for (let host = 1; host < 200; host++) untrusted.note(`8.8.8.${host}`)
  for (let host = 1; host < 200; host++) untrusted.note(`10.0.0.${host}`)
  expect(lines.map(line => JSON.parse(line)).map(({ level, peer }) => [level, peer])).toEqual([
    ...[1, 2, 3].map(host => ['info', `8.8.8.${host}`]),
    ...[1, 2, 3].map(host => ['warn', `10.0.0.${host}`]),
  ])
})
