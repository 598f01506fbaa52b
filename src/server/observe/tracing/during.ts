import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Kind } from './span.ts'
import type { Trace } from './tracer.ts'

/** Runs some work as a span of a trace, until it settles. An error marks the span as failed. */
export function during<T>(
  trace: Trace,
  name: string,
  work: () => MaybePromise<T>,
  kind: Kind = 'internal',
): MaybePromise<T> {
  const span = trace.open(name, kind)
  const fail = (thrown: unknown): never => {
    span.end({}, true)
    throw thrown
  }
  const pass = (value: T): T => {
    span.end({}, false)
    return value
  }
  try {
    const done = work()
    return done instanceof Promise ? done.then(pass, fail) : pass(done)
  } catch (thrown) {
    return fail(thrown)
  }
}
