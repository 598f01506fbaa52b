import { GateError } from '../../src/base/errors.ts'

/** The code of the error that this throws, `none` where it throws none; whatever is no error of ours is thrown on. */
export function codeOf(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof GateError) return error.code
    throw error
  }
  return 'none'
}

/** The error of ours with which a promise is rejected; throws where it is not. */
export async function refusal(attempt: Promise<unknown>): Promise<GateError> {
  const thrown = await attempt.then(
    () => null,
    (error: unknown) => error,
  )
  if (!(thrown instanceof GateError)) throw new Error(`not refused with a GateError: ${String(thrown)}`)
  return thrown
}
