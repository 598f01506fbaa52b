/** The longest head of a request, its line and fields together: Bun itself answers a longer one with 431. */
export const MAX_HEAD_BYTES = 64 * 1024

/** What an executable is built with (.ci/build.ts), so that it begins with that limit. */
export const HEAD_LIMIT_OPTION = `--max-http-header-size=${MAX_HEAD_BYTES}`

/**
 * Raises Bun's limit of 16 KiB for the whole process, where it was not started with this one: cookies and tokens of some applications are
 * longer.
 *
 * Bun 1.4.5 has no option for it in `Bun.serve`; its parser reads what node:http's `maxHeaderSize` is set to. To load node:http takes
 * 4 to 14 ms and up to 10 MB, so an executable is spared that.
 */
export function raiseHeadLimit(): void {
  if (process.execArgv.includes(HEAD_LIMIT_OPTION)) return
  Reflect.set(process.getBuiltinModule('node:http'), 'maxHeaderSize', MAX_HEAD_BYTES)
}
