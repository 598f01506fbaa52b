/** A route's `path` as a file has it: `=/x` for only that path, and null for a whole host, which needs no key. */
export function spellPath({ path, isExact }: { readonly path: string; readonly isExact: boolean }): string | null {
  if (isExact) return `=${path}`
  return path === '/' ? null : path
}
