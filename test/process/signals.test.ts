import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { runToEnd } from '../kit/programs/ended.ts'

const SERVICE = join(import.meta.dir, '../../src/process/signals.ts')

/** A service that cannot be handed on at first, as without descriptors, and is told to again. */
const PROGRAM = `
const { followSignals } = await import(${JSON.stringify(SERVICE)})
let count = 0
followSignals({
  manager: {},
  log: { error: (what, facts) => { console.log(what + ': ' + facts.error); process.kill(process.pid, 'SIGUSR2') } },
  others() {
    if (++count === 1) throw new Error('no descriptors')
    console.log('asked again')
    process.exit(0)
  },
})
process.on('unhandledRejection', error => { console.log('nobody told: ' + error); process.kill(process.pid, 'SIGUSR2') })
setTimeout(() => process.exit(3), 3_000)
process.kill(process.pid, 'SIGUSR2')
`

test('a service that could not be handed on says so, and is when it is told again', async () => {
  const { code, stdout } = await runToEnd([process.execPath, '-e', PROGRAM], { cwd: import.meta.dir })
  expect([code, stdout]).toEqual([
    0,
    'No other process took over; this one continues: Error: no descriptors\nasked again\n',
  ])
})
