/** Sentinels that say what a test wants: `await using sentinels = startFakeSentinels(3)`. */

import { eventually } from '../gate.ts'
import { PRIMARY } from './sentinels.ts'

export interface FakeSentinel {
  readonly port: number
  /** The port that it names as the primary's; null: it does not answer, as one that hangs. */
  names: number | null
  /** Says something to all that listen on a channel, once there is somebody. */
  publish(channel: string, message: string): Promise<void>
}

interface Client {
  readonly channels: Set<string>
  rest: string
}

/** Each of them on a port of its own; they answer AUTH, SUBSCRIBE and SENTINEL GET-MASTER-ADDR-BY-NAME. */
export function startFakeSentinels(names: readonly number[]): Disposable & { readonly all: readonly FakeSentinel[] } {
  const servers = names.map(startOne)
  return {
    all: servers.map(([sentinel]) => sentinel),
    [Symbol.dispose]() {
      for (const [, stop] of servers) stop()
    },
  }
}

function startOne(named: number): readonly [FakeSentinel, () => void] {
  const clients = new Map<Bun.Socket<Client>, Client>()
  let name: number | null = named
  const listener = Bun.listen<Client>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open(socket) {
        const client = { channels: new Set<string>(), rest: '' }
        socket.data = client
        clients.set(socket, client)
      },
      close: socket => void clients.delete(socket),
      data(socket, bytes) {
        const { data } = socket
        data.rest += bytes.toString()
        for (;;) {
          const read = readCommand(data.rest)
          if (read === null) return
          data.rest = data.rest.slice(read.length)
          socket.write(answer(read.words, data))
        }
      },
    },
  })

  function answer([command = '', ...args]: readonly string[], { channels }: Client): string {
    if (command.toUpperCase() === 'SUBSCRIBE') {
      for (const channel of args) channels.add(channel)
      return args.map((channel, at) => `*3\r\n${bulk('subscribe')}${bulk(channel)}:${at + 1}\r\n`).join('')
    }
    if (command !== 'SENTINEL') return '+OK\r\n'
    if (name === null) return ''
    return args[1] === PRIMARY ? `*2\r\n${bulk('127.0.0.1')}${bulk(`${name}`)}` : '*-1\r\n'
  }

  const sentinel: FakeSentinel = {
    port: listener.port,
    get names() {
      return name
    },
    set names(next) {
      name = next
    },
    async publish(channel, message) {
      const listening = () => [...clients].filter(([, { channels }]) => channels.has(channel))
      await eventually(() => listening().length > 0, `somebody listens to ${channel}`)
      for (const [socket] of listening()) socket.write(`*3\r\n${bulk('message')}${bulk(channel)}${bulk(message)}`)
    },
  }
  return [sentinel, () => listener.stop(true)]
}

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** The first command of what has come: a list of bulk strings; null where it is not whole. */
function readCommand(text: string): { readonly words: readonly string[]; readonly length: number } | null {
  const head = /^\*(\d+)\r\n/.exec(text)
  if (head === null) return null
  const words: string[] = []
  let at = head[0].length
  for (let left = Number(head[1]); left > 0; left--) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at))
    if (size === null) return null
    at += size[0].length
    const end = at + Number(size[1])
    if (text.length < end + 2) return null
    words.push(text.slice(at, end))
    at = end + 2
  }
  return { words, length: at }
}
