import { afterAll } from 'bun:test'

/**
 * For what the tests of a file share: `const keep = untilTheEnd()`, then `gate = keep(await startGate(…))`.
 *
 * All of it is closed once the tests of the file (or of the group, where it is called inside one) are over, the last one first.
 */
export function untilTheEnd(): <Opened extends AsyncDisposable | Disposable>(opened: Opened) => Opened {
  const stack = new AsyncDisposableStack()
  afterAll(() => stack.disposeAsync())
  return opened => stack.use(opened)
}
