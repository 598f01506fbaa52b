/** node:zlib, loaded on first use: that takes 2 ms and 4 MB, and most gates never need it. */
export function zlib(): typeof import('node:zlib') {
  return process.getBuiltinModule('node:zlib')
}
