import { expect, spyOn, test } from 'bun:test'
import type { Facts } from '../../../src/base/errors.ts'
import { clusterPrefixes, openCluster } from '../../../src/session/redis/cluster.ts'
import type { NodeAddress } from '../../../src/session/redis/cluster-nodes.ts'
import type { RedisLink } from '../../../src/session/redis/connection.ts'
import { isTogether } from '../../../src/session/redis/partitions.ts'
import { script } from '../../../src/session/redis/script.ts'
import { eventually } from '../../kit/gate.ts'

const LAST_SLOT = 16_383
const SCRIPT = script('return 1')

type Answer = (command: string, args: readonly string[]) => unknown

/** Made-up nodes `a`, `b` and so on, of which `a` has every slot until somebody says otherwise; each keeps what it was asked. */
function madeUp(
  options: {
    readonly greet?: (index: number, send: RedisLink['send']) => Promise<void>
    /** Before a connection to a node is there. */
    readonly opening?: (node: NodeAddress) => void
  } = {},
) {
  const answers = new Map<string, Answer>()
  const asked = new Map<string, string[]>()
  const log: string[] = []
  let slots: unknown = [[0, LAST_SLOT, ['a', 1], ['b', 1]]]
  let greeted = 0
  const tell = (message: string, facts?: Facts) => void log.push(`${message} ${JSON.stringify(facts)}`)
  function ask({ host }: NodeAddress, command: string, args: readonly string[]): unknown {
    asked.set(host, [...(asked.get(host) ?? []), [command, ...args].join(' ')])
    const answer = answers.get(host)?.(command, args)
    if (answer instanceof Error) throw answer
    return answer ?? `${command} at ${host}`
  }
  const cluster = openCluster({
    seeds: [{ host: 'a', port: 1 }],
    shownAs: 'the cluster',
    prefix: 'x:1:',
    log: { debug: tell, info: tell, warn: tell, error: tell },
    greet: options.greet ?? (async () => void greeted++),
    onConnected: () => undefined,
    openLink: node => ({
      send: async (command, args) => ask(node, command, args),
      close: () => void asked.set(node.host, [...(asked.get(node.host) ?? []), 'closed']),
    }),
    async openLine(node) {
      options.opening?.(node)
      return {
        async send(command, args) {
          if (command !== 'CLUSTER') return ask(node, command, args)
          if (slots instanceof Error) throw slots
          return slots
        },
        close: () => undefined,
      }
    },
  })
  const partition = cluster.all[3]
  if (partition === undefined) throw new Error('there are sixteen')
  return {
    cluster,
    partition,
    log,
    askedOf: (host: string) => asked.get(host) ?? [],
    answer: (host: string, answer: Answer) => void answers.set(host, answer),
    say(next: unknown) {
      slots = next
    },
    get greeted() {
      return greeted
    },
  }
}

function refusing(message: string): Answer {
  return () => new Error(message)
}

test('each partition has a tag of its own, and a session is in one with its cookies alone', () => {
  const prefixes = clusterPrefixes('x:1:')
  expect(new Set(prefixes).size).toBe(16)
  const hashes = Array.from({ length: 400 }, (_, index) => `hash-${index}`)
  const together = hashes.filter(hash => isTogether(hash, 'a session', prefixes.length))
  expect(together.length).toBeGreaterThan(0)
  expect(together.length).toBeLessThan(hashes.length / 4)
  const { cluster } = madeUp()
  const home = cluster.of({ session: 'a session' })
  for (const hash of together) expect(cluster.ofHandle(hash)).toBe(home)
  cluster.close()
})

test('what a node has not done, since another has the slot by now, is asked there, and from then on at once', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', command => (command === 'GET' ? new Error('MOVED 3564 b:1') : null))
  expect(await partition.send('GET', ['k'])).toBe('GET at b')
  expect(await partition.send('GET', ['k'])).toBe('GET at b')
  expect([askedOf('a'), askedOf('b')]).toEqual([['GET k'], ['GET k', 'GET k']])
  cluster.close()
})

test('two nodes that send each other’s clients to the other are not asked for ever', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', refusing('MOVED 3564 b:1'))
  answer('b', refusing('MOVED 3564 a:1'))
  expect(await messageOf(partition.send('XADD', ['k']))).toContain('MOVED')
  expect(askedOf('a').length + askedOf('b').length).toBeLessThan(12)
  cluster.close()
})

test('what is under way when a node is lost is not sent again', async () => {
  const { cluster, partition, answer, askedOf, say, log } = madeUp()
  answer('a', refusing('the connection was lost'))
  expect(await messageOf(partition.send('XADD', ['k']))).toBe('the connection was lost')
  expect(await messageOf(partition.run(SCRIPT, ['v']))).toBe('the connection was lost')
  expect(askedOf('a')).toEqual(['XADD k', `EVALSHA ${SCRIPT.sha1} 1 x:1:{j}: v`])
  expect(askedOf('b')).toEqual([])
  say([[0, LAST_SLOT, ['b', 1]]])
  await eventually(
    async () => (await messageOf(partition.send('GET', ['k']))) === '',
    'the next one finds who took over',
  )
  expect(askedOf('b')).toEqual(['GET k'])
  expect(log.map(line => line.split(' {')[0])).toEqual([
    'A node of the session store cannot be reached: who is known here stays signed in, others of that node cannot sign in or out',
    'The session store is back',
  ])
  cluster.close()
})

test('a write that a node acknowledges once another has its slot is not done, and is no failure of the node', async () => {
  const { cluster, partition, answer, log } = madeUp()
  const { promise, resolve } = Promise.withResolvers<string>()
  answer('a', command => (command === 'GET' ? new Error('MOVED 3564 b:1') : promise))
  const [writing, reading] = [messageOf(partition.send('XADD', ['k'])), messageOf(partition.send('HGET', ['k']))]
  expect(await partition.send('GET', ['k'])).toBe('GET at b')
  resolve('done')
  expect([await writing, await reading]).toEqual(['another node had taken over before the answer came', ''])
  expect(log).toEqual([])
  cluster.close()
})

test('what could not be sent to a node that is away is asked of the one that has taken over', async () => {
  const { cluster, partition, answer, askedOf, say } = madeUp()
  await partition.send('GET', ['k'])
  answer('a', refusing('no connection to a:1'))
  say([[0, LAST_SLOT, ['b', 1]]])
  let attempts = 0
  await eventually(async () => {
    attempts++
    return (await messageOf(partition.send('XADD', ['k']))) === ''
  }, 'it is looked for again')
  // The last one, too, asked first where it was before.
  expect(askedOf('a')).toEqual(['GET k', ...Array.from({ length: attempts }, () => 'XADD k')])
  expect(askedOf('b')).toEqual(['XADD k'])
  cluster.close()
})

test('a node that nobody asks any more is closed', async () => {
  const { cluster, partition, answer, askedOf, say } = madeUp()
  await partition.send('GET', ['k'])
  say([[0, LAST_SLOT, ['b', 1]]])
  answer('a', refusing('CLUSTERDOWN Hash slot not served'))
  await eventually(async () => (await messageOf(partition.send('GET', ['k']))) === '', 'another has it')
  await eventually(() => askedOf('a').includes('closed'), 'it is closed')
  cluster.close()
})

test('nodes are closed with the cluster', async () => {
  const { cluster, partition, askedOf } = madeUp()
  await partition.send('GET', ['k'])
  expect(askedOf('a')).not.toContain('closed')
  cluster.close()
  await eventually(() => askedOf('a').includes('closed'), 'it is closed')
})

test('the log says of a node that takes no writes once in ten minutes', async () => {
  const { cluster, partition, answer, log } = madeUp()
  answer('a', command => (command === 'SET' ? new Error('OOM command not allowed') : null))
  const told = () => log.filter(line => line.startsWith('A node of the session store takes no writes')).length
  const realNow = performance.now.bind(performance)
  let aheadMs = 0
  const clock = spyOn(performance, 'now').mockImplementation(() => realNow() + aheadMs)
  try {
    for (const [passedMs, times] of [
      [0, 1],
      [9 * 60_000, 1],
      [61_000, 2],
    ] as const) {
      aheadMs += passedMs
      await messageOf(partition.send('SET', ['k', 'v']))
      expect(told()).toBe(times)
    }
  } finally {
    clock.mockRestore()
    cluster.close()
  }
})

test('while a slot moves, a command of one key follows it, with ASKING right before', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', command => (command === 'GET' ? new Error('ASK 3564 b:1') : null))
  expect(await Promise.all([partition.send('GET', ['k']), partition.send('GET', ['l'])])).toEqual([
    'GET at b',
    'GET at b',
  ])
  expect(askedOf('b')).toEqual(['ASKING', 'GET k', 'ASKING', 'GET l'])
  expect(await partition.send('PING', [])).toBe('PING at a')
  cluster.close()
})

test('a node that has some keys of a slot, and does not answer, holds nobody up for ever', async () => {
  const { cluster, partition, answer } = madeUp()
  answer('a', refusing('ASK 3564 b:1'))
  answer('b', () => new Promise(() => undefined))
  expect(await messageOf(partition.send('GET', ['k']))).toContain('no reply')
  answer('b', () => 'there')
  expect(await partition.send('GET', ['k'])).toBe('there')
  cluster.close()
})

test('a node that refused a connection while a slot moves is connected to again', async () => {
  let isFull = true
  const opening = ({ host }: NodeAddress) => {
    if (host === 'b' && isFull) throw new Error('ERR max number of clients reached')
  }
  const { cluster, partition, answer } = madeUp({ opening })
  answer('a', refusing('ASK 3564 b:1'))
  expect(await messageOf(partition.send('GET', ['k']))).toContain('max number of clients')
  isFull = false
  answer('b', () => 'there')
  expect(await partition.send('GET', ['k'])).toBe('there')
  cluster.close()
})

test('nodes that are connected to, and do not say who has what, hold nobody up for ever', async () => {
  const { cluster, partition, say } = madeUp()
  say(new Promise(() => undefined))
  expect(await messageOf(partition.send('GET', ['k']))).toContain('partition 3')
  say([[0, LAST_SLOT, ['a', 1]]])
  expect(await partition.send('GET', ['k'])).toBe('GET at a')
  cluster.close()
})

test('while a slot moves, a script waits, and is run by the node that has all of it', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', refusing('ASK 3564 b:1'))
  const running = partition.run(SCRIPT, [])
  await eventually(() => askedOf('a').length > 1, 'it asks again')
  expect(askedOf('b')).toEqual([])
  answer('a', refusing('MOVED 3564 b:1'))
  expect(await running).toBe('EVALSHA at b')
  cluster.close()
})

test('while a slot moves, a script that only reads leaves it to commands of one key', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', refusing('ASK 3564 b:1'))
  expect(await partition.look(SCRIPT, [])).toBeUndefined()
  expect(askedOf('a')).toHaveLength(1)
  cluster.close()
})

test('a node that does not know a script is told it, and one that refuses those that only read is not asked for one again', async () => {
  const { cluster, partition, answer, askedOf } = madeUp()
  answer('a', command => {
    if (command === 'EVALSHA') return new Error('NOSCRIPT No matching script')
    return command.endsWith('_RO') ? new Error('ERR unknown command') : null
  })
  expect(await partition.run(SCRIPT, ['v'])).toBe('EVAL at a')
  expect(await partition.look(SCRIPT, [])).toBeUndefined()
  expect(await partition.look(SCRIPT, [])).toBeUndefined()
  expect(askedOf('a').filter(line => line.includes('_RO'))).toHaveLength(1)
  cluster.close()
})

test('nothing is asked in a partition before it was greeted where it is now', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const greetings: number[] = []
  const { cluster, partition, askedOf, answer } = madeUp({
    async greet(index, send) {
      greetings.push(index)
      await send('XREVRANGE', [`${index}`])
      if (greetings.length > 16) await promise
    },
  })
  answer('a', command => (command === 'GET' ? new Error('MOVED 3564 b:1') : null))
  const asking = partition.send('GET', ['k'])
  await eventually(() => askedOf('b').length > 0, 'it is greeted at the other node')
  expect(askedOf('b')).toEqual(['XREVRANGE 3'])
  expect(greetings.at(-1)).toBe(3)
  resolve()
  expect(await asking).toBe('GET at b')
  expect(askedOf('b')).toEqual(['XREVRANGE 3', 'GET k'])
  cluster.close()
})

test('a server that is no cluster, and an answer that makes no sense, are an error that says so', async () => {
  for (const said of [null, [], 'what', [[0]], new Error('ERR This instance has cluster support disabled')]) {
    const { cluster, partition, say } = madeUp()
    say(said)
    const failure = await partition.send('GET', ['k']).catch((error: Error) => error)
    expect(failure).toBeInstanceOf(Error)
    expect(String(failure)).toContain('no connection to partition 3 of the cluster')
    cluster.close()
  }
})

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
