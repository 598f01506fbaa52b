import { openWire } from '../wire/wire.ts'

/** Everything that was asked, and what was not answered as it should be. */
export interface Load {
  asked: number
  readonly failures: string[]
}

/** What answers `here`, as long as all is well. */
export type Ask = () => Promise<string>

/** Asks on and on, one request after the other, until it is over; each failure is kept. */
export async function askOn(load: Load, isOver: () => boolean, ask: Ask, pauseMs = 0): Promise<void> {
  while (!isOver()) {
    try {
      const answer = await ask()
      if (answer !== 'here') load.failures.push(answer.slice(0, 100))
    } catch (error) {
      load.failures.push(String(error))
    }
    load.asked++
    if (pauseMs > 0) await Bun.sleep(pauseMs)
  }
}

/** Asks app.example on one connection until an answer says that it is its last, then on a new one. */
export function onKept(port: number): Ask {
  let wire: Awaited<ReturnType<typeof openWire>> | null = null
  return async () => {
    wire ??= await openWire(port)
    await wire.send('GET / HTTP/1.1\r\nHost: app.example\r\n\r\n')
    const { status, body, field } = await wire.receive()
    if (field('connection') === 'close' || status !== 200) {
      wire.close()
      wire = null
    }
    return status === 200 ? `${body}` : `${status}`
  }
}

/** Asks app.example on a new connection each time. */
export function onNew(port: number): Ask {
  const headers = { host: 'app.example', connection: 'close' }
  return () => fetch(`http://127.0.0.1:${port}/`, { headers, keepalive: false }).then(one => one.text())
}
