import type { FieldRules } from '../types/routes.ts'

/** What a script of any origin may read of an MCP server's answers: nothing there is let in by a cookie that it does not see. */
const READABLE: FieldRules['set'] = [
  ['access-control-allow-origin', '*'],
  ['access-control-expose-headers', 'mcp-protocol-version, mcp-session-id, retry-after, www-authenticate'],
].map(([name = '', text = '']) => ({ name, parts: [{ kind: 'text', text }] }))

/** The rules for a route's answers, with those by which browser clients of its MCP server can read them; what the file says comes first. */
export function withReadable(rules: FieldRules | null): FieldRules {
  const { remove = [], set = [], append = [] } = rules ?? {}
  const said = new Set([...remove, ...[...set, ...append].map(({ name }) => name)].map(name => name.toLowerCase()))
  return { remove, set: [...set, ...READABLE.filter(({ name }) => !said.has(name))], append }
}
