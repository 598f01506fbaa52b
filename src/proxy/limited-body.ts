import { GateError } from '../base/errors.ts'

/**
 * A body that ends in `error` as soon as it is longer than allowed; nothing beyond the limit is passed on.
 *
 * It is untouched until it is read, so that a request that was not sent can go to another address. `onExceeded` is called
 * before whoever reads is told, since fetch reports a failed body in words of its own.
 */
export function limitBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  makeError: () => GateError,
  onExceeded: (error: GateError) => void,
): ReadableStream<Uint8Array> {
  const open = () => body.getReader()
  let reader: ReturnType<typeof open> | null = null
  let leftBytes = maxBytes
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const from = reader ?? open()
        reader = from
        const { done, value } = await from.read()
        if (done) {
          controller.close()
          return
        }
        leftBytes -= value.byteLength
        if (leftBytes >= 0) {
          controller.enqueue(value)
          return
        }
        const error = makeError()
        onExceeded(error)
        controller.error(error)
        from.cancel(error).catch(() => undefined)
      },
      cancel: reason => reader?.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** A request's body is longer than its route takes. */
export function tooLarge(routeId: string, maxBytes: number): GateError {
  return new GateError('target.too_large', `${routeId}: the body is longer than ${maxBytes} bytes`, {
    facts: { route: routeId },
    hint: `raise max_body for "${routeId}" in routes.toml if the application takes longer ones`,
  })
}
