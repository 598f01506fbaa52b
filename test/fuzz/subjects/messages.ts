import { readMessages } from '../../../src/server/request/mcp/judge.ts'
import { hold, type Subject } from '../subject.ts'

const call = (name: string) => `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}"}}`

/** A value of JSON in which nothing is lost: an object is its members, each as often as it is there. */
type Read =
  | { readonly members: readonly (readonly [string, Read])[] }
  | { readonly items: readonly Read[] }
  | string
  | null

/** A reader of our own, for texts that are JSON. */
function read(tokens: string[]): Read {
  const token = tokens.shift() ?? ''
  if (token.startsWith('"')) return String(JSON.parse(token))
  if (token === '[') {
    const items: Read[] = []
    while (tokens[0] !== ']') {
      items.push(read(tokens))
      if (tokens[0] === ',') tokens.shift()
    }
    tokens.shift()
    return { items }
  }
  if (token !== '{') return null
  const members: (readonly [string, Read])[] = []
  while (tokens[0] !== '}') {
    const key = String(JSON.parse(tokens.shift() ?? ''))
    tokens.shift()
    members.push([key, read(tokens)])
    if (tokens[0] === ',') tokens.shift()
  }
  tokens.shift()
  return { members }
}

/** What any server could take for a member of this name, in whatever letters and however often. */
function every(value: Read, name: string): readonly Read[] {
  if (value === null || typeof value === 'string' || !('members' in value)) return []
  return value.members.filter(([key]) => key.toUpperCase().toLowerCase().trim() === name).map(([, one]) => one)
}

/** Bodies of JSON-RPC, of which it is said which tools they call. */
export const messages: Subject = {
  name: 'messages',
  seeds: [
    call('echo'),
    `[${call('echo')},${call('delete')}]`,
    '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    '{"id":1,"method":"ping","method":"tools/call","params":{"name":"delete"}}',
    '{"id":1,"Method":"tools/call","params":{"name":"delete"}}',
    '{"id":1,"result":{"name":"x"}}',
  ],
  words: [
    ...'" : , { } [ ] \\ \\" \\u0065 \\u017f "method" "Method" "params" "PARAMS" "name" "Name" "id" "tools/call" "Tools/Call" "ping"'.split(
      ' ',
    ),
    ...'"delete" "echo" {"name":"delete"} ,"params":{"name":"delete"} ,"method":"tools/call" __proto__ null 1e999 \xc5\xbf \xef\xbb\xbf \xff'.split(
      ' ',
    ),
  ],
  maxBytes: 400,
  open: () => ({
    attempt(input) {
      const said = readMessages(input)
      if (said.kind === 'unclear') return 'unclear'
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(input)
      const whole = read(text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [])
      const all = whole !== null && typeof whole === 'object' && 'items' in whole ? whole.items : [whole]
      for (const message of all) {
        const isCall = every(message, 'method').some(
          method => typeof method === 'string' && method.trim().toLowerCase() === 'tools/call',
        )
        if (!isCall) continue
        const names = every(message, 'params').flatMap(params => every(params, 'name'))
        hold(names.length === 1, 'a call names one tool', text)
        hold(
          names.every(name => typeof name === 'string' && said.tools.includes(name)),
          'every tool is told',
          text,
          said,
        )
      }
      return `${said.tools.length} ${typeof said.id} ${all.length > 1}`
    },
  }),
}
