/** The HTTP client for Sallyport's own requests, such as those to providers: with limits in time and size. */

/**
 * A request that Sallyport sends on its own account, without the address. It has a time limit, and the answer is at
 * most `maxBytes` long (a megabyte if absent).
 */
export interface Asking
  extends Omit<BunFetchRequestInit, 'decompress' | 'proxy' | 'redirect' | 'signal' | 'timeout' | 'verbose'> {
  /** The proxy that the file names (`outgoing.ts`); absent: none. */
  readonly proxy?: { readonly url: string; readonly headers?: Readonly<Record<string, string>> }
  readonly signal: AbortSignal
  readonly maxBytes?: number
}

/** An answer to a question of our own. Its body is read once, in one of these ways, or let go. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  /** All of it. Throws `UnreadError` for one that is too long, or written in a way that was not asked for. */
  bytes(): Promise<Uint8Array<ArrayBuffer>>
  text(): Promise<string>
  /** The same for its first bytes, however long it is: it may never end. */
  beginning(most: number): Promise<Uint8Array<ArrayBuffer>>
  /** The caller does not need the body. Never throws. */
  drop(): Promise<void>
}

/** Asks something of an address: `Ports.ask`. */
export type Ask = (address: string, init: Asking) => Promise<Answered>

/** By which proxy an address is asked; null: by none. */
export type ProxyFor = (address: string) => string | null

/** Why a body is not read: a predicate of "the answer". */
export class UnreadError extends Error {
  override readonly name = 'UnreadError'
}

const MOST_BYTES = 1024 * 1024

/**
 * An Ask by a fetch.
 *
 * Bun 1.4.5 inflates an answer on another thread, even when the reader is gone: 2.4 kB of Brotli can become gigabytes
 * of memory. So this inflates nothing, offers no coding, and does not read an answer that comes in one. It follows no
 * redirect, and uses a proxy only where one is named.
 */
export function askBy(fetch: (address: string, init: BunFetchRequestInit) => Promise<Response>): Ask {
  return async (address, { maxBytes = MOST_BYTES, proxy, ...init }) => {
    const headers = new Headers(init.headers)
    headers.set('accept-encoding', 'identity')
    const own = { headers, decompress: false, redirect: 'manual', proxy: proxy ?? false } as const
    return answeredBy(await fetch(address, { ...init, ...own }), maxBytes, init.signal)
  }
}

/** An answer that came some other way, to be read like any other. */
export function answeredBy(response: Response, maxBytes = MOST_BYTES, signal?: AbortSignal): Answered {
  const { status, headers, body } = response

  async function read(most: number, isWhole: boolean): Promise<Uint8Array<ArrayBuffer>> {
    const coding = headers.get('content-encoding') ?? ''
    if (!/^(?:identity)?$/i.test(coding.trim())) {
      await drop()
      throw new UnreadError(`is compressed (Content-Encoding: ${coding.slice(0, 40)}), though it was asked not to be`)
    }
    if (body === null) return new Uint8Array()
    const reader = body.getReader()
    const stop = () => void reader.cancel().catch(() => undefined)
    signal?.addEventListener('abort', stop)
    const chunks: Uint8Array[] = []
    try {
      for (let length = 0; isWhole || length < most; ) {
        const { done, value } = await reader.read()
        signal?.throwIfAborted()
        if (done) break
        length += value.byteLength
        if (isWhole && length > most) throw new UnreadError(`is longer than ${most} bytes`)
        chunks.push(value)
      }
    } finally {
      signal?.removeEventListener('abort', stop)
      stop()
    }
    return new Uint8Array(Buffer.concat(chunks).subarray(0, most))
  }

  async function drop(): Promise<void> {
    await body?.cancel().catch(() => undefined)
  }

  const bytes = () => read(maxBytes, true)
  return Object.freeze({
    status,
    headers,
    bytes,
    text: async () => new TextDecoder().decode(await bytes()),
    beginning: (most: number) => read(Math.min(most, maxBytes), false),
    drop,
  })
}
