/** node:zlib, for whoever comes to need it: to load it takes 2 ms and 4 MB, and most gates never do. */
export function zlib(): typeof import('node:zlib') {
  return process.getBuiltinModule('node:zlib')
}
