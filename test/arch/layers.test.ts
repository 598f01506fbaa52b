import { expect, test } from 'bun:test'
import { dirname, join, relative, resolve } from 'node:path'
import { Glob } from 'bun'
import { importsOf } from './imports.ts'

const SRC = resolve(import.meta.dir, '../../src')

/** What is on one floor of a room: its folders, by name. `one|other` are not apart from each other. */
interface Floor {
  readonly parts: readonly string[]
  /** Why none of them may know what is above, or beside it. */
  readonly ban: string
  /** The rooms that they know, where these are fewer than those of their room. */
  readonly knows?: readonly string[]
}

interface Room {
  readonly name: string
  /** Why it may not know what is above, or beside it. */
  readonly ban: string
  /** The rooms that it knows, where these are not all below it: another one is a decision, and made here. */
  readonly knows?: readonly string[]
  /**
   * Its folders, lowest first; absent where nothing in it has to be apart. Each folder is on a floor, so that a new one has to be put
   * somewhere. A file beside the folders is on none: what a folder reaches by way of it is held against the floors as if it were
   * imported at once.
   */
  readonly floors?: readonly Floor[]
  /** The same for the folders within one of them, by its name. */
  readonly within?: Readonly<Record<string, readonly Floor[]>>
}

const CONVERTS = 'the converter writes a file, and knows nothing that runs it'
const CONVERTER_KNOWS = ['base', 'config', 'console']

/** Lowest first. Those that share a rank may not import each other, and neither may parts that share a floor: what both need belongs below. */
const RANKS: readonly (readonly Room[])[] = [
  [{ name: 'base', ban: 'what everything stands on can be used and tested without the rest' }],
  [
    {
      name: 'audit',
      ban: 'what is told of does not depend on who tells it',
    },
    {
      name: 'config',
      ban: 'a file is checked without being served',
      floors: [
        { parts: ['text'], ban: 'text and places are the same for any file, whatever its keys mean' },
        { parts: ['values'], ban: 'a kind of value is read the same under any key' },
        { parts: ['keys'], ban: 'one table says which keys there are; checks, reference and schema come from it' },
        { parts: ['checks'], ban: 'a check sees what a file says, not what is made of it' },
        { parts: ['hidden'], ban: 'what may be shown of a text is said by the key tables alone' },
        { parts: ['resolve'], ban: 'what is resolved has been checked: it asks nothing and refuses nothing' },
      ],
    },
  ],
  [{ name: 'route', ban: 'where a request leads does not depend on who sends it', knows: ['base'] }],
  [{ name: 'identity', ban: 'what a provider says is checked before anyone acts on it', knows: ['base', 'config'] }],
  [
    {
      name: 'session',
      ban: 'sessions are kept without knowing what they open',
      knows: ['audit', 'base', 'config', 'identity'],
      floors: [
        {
          parts: ['grants'],
          ban: 'what somebody is granted does not depend on how they come, nor on where it is kept',
        },
        { parts: ['sqlite'], ban: 'a store knows rows and nothing of their meaning' },
        { parts: ['credentials|scim', 'signing'], ban: 'they are found by any store, for any request' },
        { parts: ['accounts'], ban: 'what is issued does not depend on what its user has set' },
        { parts: ['redis'], ban: 'what is kept elsewhere is not the truth' },
      ],
    },
  ],
  [
    {
      name: 'policy',
      ban: 'a decision is a function of what it is told',
      knows: ['base', 'config', 'identity', 'route', 'session'],
    },
  ],
  [
    {
      name: 'proxy',
      ban: 'it knows nobody by name: identity arrives as ready-made fields',
      knows: ['base', 'config', 'identity', 'route', 'session'],
      floors: [
        { parts: ['fields', 'lifetime'], ban: 'fields and deadlines are the same for every upstream' },
        { parts: ['local'], ban: 'a route that answers itself has no upstream' },
        { parts: ['body'], ban: 'a body is passed on without knowing where it came from' },
        { parts: ['upstream'], ban: 'where requests go does not depend on what they are' },
        { parts: ['websocket'], ban: 'a socket is one more way to use an upstream, and nothing depends on it' },
      ],
    },
    {
      name: 'portal',
      ban: 'it answers, and never forwards',
      floors: [
        { parts: ['words'], ban: 'words know no page' },
        { parts: ['layout'], ban: 'what pages are made of shows what it is given, and does nothing' },
        { parts: ['kept-forms'], ban: 'a kept form outlives the sign-in that it waits for' },
        { parts: ['sign-in'], ban: 'nobody is signed in yet' },
        { parts: ['scim'], ban: 'what a provider pushes depends on no page, and on nobody who is signed in' },
        { parts: ['sign-out'], ban: 'whoever leaves needs nothing of an account any more' },
        { parts: ['compat'], ban: 'an old address leads to what a new one does, and nothing of ours depends on it' },
        { parts: ['account'], ban: 'the parts of an account are put together in app.ts' },
        { parts: ['admin'], ban: 'nobody needs to be an admin for what is their own' },
        {
          parts: ['authorization', 'file'],
          ban: 'what is given to a program is one more thing of its person’s, and nothing of an account depends on it',
        },
      ],
    },
  ],
  [
    {
      name: 'server',
      ban: 'it serves what it is given, in any process',
      floors: [
        { parts: ['config'], ban: 'what is compiled once per file knows no request' },
        { parts: ['listen'], ban: 'a listener hands requests on, to whoever it was given' },
        { parts: ['applications'], ban: 'an application is asked about itself, whoever comes' },
        { parts: ['preview'], ban: 'what a file comes to is told without serving it' },
        { parts: ['editor'], ban: 'the file is shown and saved without serving it' },
        { parts: ['credentials', 'observe'], ban: 'who comes, and what is told of it, is asked by the request path' },
        { parts: ['acme', 'request'], ban: 'certificates are obtained without serving, and served without obtaining' },
      ],
      within: {
        request: [
          { parts: ['mcp'], ban: 'what an MCP server is asked does not depend on who asks, nor on what they may' },
          { parts: ['portal'], ban: 'what the portal is handed depends on no verdict' },
          { parts: ['errors|verify'], ban: 'what is asked, and what a refusal says, is decided nowhere here' },
        ],
      },
    },
  ],
  [{ name: 'console', ban: 'what commands share knows none of them' }],
  [
    {
      name: 'migrate',
      ban: 'moving in looks at files and logs of other gates, and serves nobody',
      knows: ['base', 'config', 'console', 'identity', 'policy', 'proxy', 'route', 'server'],
      floors: [
        { parts: ['caddy', 'oauth2-proxy'], ban: CONVERTS, knows: CONVERTER_KNOWS },
        { parts: ['rehearse'], ban: 'what an old log comes to is the same, whoever wrote the new file' },
      ],
    },
    { name: 'process', ban: 'it serves without knowing which command started it' },
  ],
  [{ name: 'cli', ban: 'commands are chosen by main.ts alone' }],
]

/** Rooms that may touch the process and the clock: everything else can be tested with values. */
const PROCESS_ROOMS = ['console/', 'process/', 'cli/', 'main.ts']

const TOUCHES =
  /\bprocess\.(env|exit|on|argv|stdout|stderr|cwd|kill|title)\b|\bBun\.(env|argv|stdin|stdout|stderr|spawn)|\bconsole\.|\bDate\.now\(|\bnew Date\(\)|\bTemporal\.Now\b|\bMath\.random\(/

const FORMATTER = 'cli/fmt.ts'

/** One file alone may import these packages, so that changing one is changing one file. */
const SINGLE_IMPORTERS: Readonly<Record<string, string>> = {
  'smol-toml': 'config/text/parse.ts',
  'toml-eslint-parser': 'config/text/positions.ts',
  yaml: 'migrate/yaml.ts',
  '@tombi-toml/wasm-lib': FORMATTER,
}

/** The files that may name those of docs, which are part of the executable. */
const DOCUMENTS = ['cli/help/topics.ts', 'cli/recipe/services.ts']

/** Of another room's values: who somebody is becomes fields there, and nowhere else in the proxy. */
const KNOWS_PEOPLE = ['proxy/fields/identity.ts', 'proxy/fields/rules.ts']

interface Import {
  readonly file: string
  readonly names: string
}

interface Place {
  readonly room: Room
  readonly rank: number
  /** The folder of the room, where that has floors; null: the file is beside them. */
  readonly part: Part | null
  /** The same within that folder. */
  readonly inner: Part | null
}

interface Part {
  readonly name: string
  readonly floor: Floor
  readonly index: number
}

/** Where a file lives; null for one that is in no room, or in a folder that is on no floor. `main.ts` stands above all of them. */
function placeOf(file: string): Place | null {
  const [name = '', ...rest] = file.split('/')
  const rank = RANKS.findIndex(rooms => rooms.some(room => room.name === name))
  const room = RANKS[rank]?.find(one => one.name === name)
  if (room === undefined) return null
  const { floors, within = {} } = room
  if (floors === undefined || rest.length === 1) return { room, rank, part: null, inner: null }
  const part = partOf(rest[0], floors)
  if (part === null) return null
  const inside = within[part.name]
  if (inside === undefined || rest.length === 2) return { room, rank, part, inner: null }
  const inner = partOf(rest[1], inside)
  return inner === null ? null : { room, rank, part, inner }
}

/** The floor of a folder; null for none, or several. */
function partOf(folder: string | undefined, floors: readonly Floor[]): Part | null {
  const parts = floors.flatMap((floor, index) =>
    floor.parts.filter(part => part.split('|').includes(folder ?? '')).map(part => ({ name: part, floor, index })),
  )
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : null
}

/** Why one place may not import another; null where it may. */
function banOf(from: Place, to: Place): string | null {
  if (from.room !== to.room) {
    const { name, ban, knows } =
      from.part?.floor.knows === undefined ? from.room : { ...from.part.floor, name: from.part.name }
    const isKnown = to.rank < from.rank && (knows?.includes(to.room.name) ?? true)
    return isKnown ? null : `${name} does not know ${to.room.name}: ${ban}`
  }
  return from.part?.name === to.part?.name ? banWithin(from.inner, to.inner) : banWithin(from.part, to.part)
}

function banWithin(from: Part | null, to: Part | null): string | null {
  if (from === null || to === null || from.name === to.name || to.index < from.index) return null
  return `${from.name} does not know ${to.name}: ${from.floor.ban}`
}

/** Whether a file of a room with floors is beside its folders, or beside those of a folder that has some. */
function isBeside({ room, part, inner }: Place): boolean {
  if (room.floors === undefined) return false
  return part === null || (room.within?.[part.name] !== undefined && inner === null)
}

/** What a file reaches: what it imports, and what that imports where it is a file beside the folders of the same room. */
function reachedFrom(file: string, needs: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, string> {
  const room = placeOf(file)?.room
  const found = new Map<string, string>()
  const follow = (one: string, way: string): void => {
    for (const next of needs.get(one) ?? []) {
      if (found.has(next)) continue
      found.set(next, way)
      const place = placeOf(next)
      if (place !== null && place.room === room && isBeside(place)) follow(next, `${way} by way of ${next}`)
    }
  }
  follow(file, '')
  return found
}

function targetOf({ file, names }: Import): string {
  return relative(SRC, resolve(SRC, dirname(file), names))
}

const files = [...new Glob('**/*.{ts,tsx}').scanSync(SRC)].sort()
const imports: Import[] = []
for (const file of files) {
  for (const { names } of importsOf(await Bun.file(join(SRC, file)).text())) imports.push({ file, names })
}
const own = imports.filter(({ names }) => names.startsWith('.'))
const needs = new Map<string, string[]>()
for (const one of own) needs.set(one.file, [...(needs.get(one.file) ?? []), targetOf(one)])

test('the text of every import form is seen', () => {
  const text =
    "import a from './a.ts'\nimport type { B } from \"../b.ts\"\nexport { c } from './c.ts'\nimport './d.ts'\nimport {\n  e,\n} from 'e'\n  const { f } = await import('./f.ts')\nexport * from './g.ts'\nlet h: import('./h.ts').H\n"
  expect(importsOf(text).map(({ names }) => names)).toEqual([
    './a.ts',
    '../b.ts',
    './c.ts',
    './d.ts',
    'e',
    './f.ts',
    './g.ts',
    './h.ts',
  ])
  expect(imports.length).toBeGreaterThan(100)
})

test('every file lives in a room, every folder of a room with floors is on one of them, and every floor has a file', () => {
  expect(files.filter(file => file !== 'main.ts' && placeOf(file) === null)).toEqual([])
  const lived = new Set(
    files.flatMap(file => {
      const [room = '', ...folders] = file.split('/').slice(0, -1)
      return [room, ...folders.map((_, index) => [room, ...folders.slice(0, index + 1)].join('/'))]
    }),
  )
  const named = (above: string, floors: readonly Floor[]) =>
    floors.flatMap(floor => floor.parts.flatMap(part => part.split('|').map(folder => `${above}/${folder}`)))
  const folders = RANKS.flat().flatMap(({ name, floors = [], within = {} }) => [
    name,
    ...named(name, floors),
    ...Object.entries(within).flatMap(([part, inside]) => named(`${name}/${part}`, inside)),
  ])
  expect(folders.filter(folder => !lived.has(folder))).toEqual([])
})

test('imports point down only', () => {
  const banned: string[] = []
  for (const file of files) {
    if (file === 'main.ts') continue
    for (const [target, way] of reachedFrom(file, needs)) {
      if (target.startsWith('..')) {
        if (way !== '') continue
        const isBinary = file === FORMATTER && target.startsWith('../node_modules/@tombi-toml/wasm-lib/')
        if (target !== '../package.json' && !isBinary && !(DOCUMENTS.includes(file) && target.startsWith('../docs/')))
          banned.push(`${file} imports ${target}: the program consists of src alone`)
        continue
      }
      const [from, to] = [placeOf(file), placeOf(target)]
      const ban = from === null || to === null ? 'one of them lives nowhere' : banOf(from, to)
      if (ban !== null) banned.push(`${file} imports ${target}${way}: ${ban}`)
    }
  }
  expect(banned).toEqual([])
})

test('a floor is held by way of a file beside the folders too', () => {
  const around = new Map([
    ['config/text/parse.ts', ['config/beside.ts']],
    ['config/beside.ts', ['config/keys/keys.ts']],
    ['config/keys/keys.ts', ['config/checks/routes.ts']],
  ])
  expect([...reachedFrom('config/text/parse.ts', around)]).toEqual([
    ['config/beside.ts', ''],
    ['config/keys/keys.ts', ' by way of config/beside.ts'],
  ])
})

test.each([
  ['route/table.ts', 'config/load.ts', 'route does not know config'],
  ['config/check.ts', 'audit/writer.ts', 'config does not know audit'],
  ['identity/client.ts', 'session/open.ts', 'identity does not know session'],
  ['session/open.ts', 'route/table.ts', 'session does not know route'],
  ['policy/policy.ts', 'audit/writer.ts', 'policy does not know audit'],
  ['policy/policy.ts', 'server/request/decide.ts', 'policy does not know server'],
  ['proxy/forward.ts', 'policy/policy.ts', 'proxy does not know policy'],
  ['proxy/forward.ts', 'portal/app.ts', 'proxy does not know portal'],
  ['portal/app.ts', 'proxy/forward.ts', 'portal does not know proxy'],
  ['migrate/caddy/convert.ts', 'server/preview/judge.ts', 'caddy does not know server'],
  ['migrate/oauth2-proxy/convert.ts', 'migrate/rehearse/run.ts', 'oauth2-proxy does not know rehearse'],
  ['migrate/rehearse/run.ts', 'portal/app.ts', 'migrate does not know portal'],
  ['process/serve.ts', 'migrate/import.ts', 'process does not know migrate'],
  ['console/io.ts', 'cli/run.ts', 'console does not know cli'],
  ['config/text/parse.ts', 'config/keys/keys.ts', 'text does not know keys'],
  ['config/keys/keys.ts', 'config/checks/routes.ts', 'keys does not know checks'],
  ['portal/layout/wide-page.tsx', 'portal/admin/admin.tsx', 'layout does not know admin'],
  ['session/sqlite/store.ts', 'session/redis/changes.ts', 'sqlite does not know redis'],
  ['server/config/reload.ts', 'server/request/decide.ts', 'config does not know request'],
  ['server/request/mcp/judge.ts', 'server/request/portal/compat.ts', 'mcp does not know portal'],
])('%s may not import %s', (file, target, why) => {
  const [from, to] = [placeOf(file), placeOf(target)]
  expect([file, target].filter(one => !files.includes(one))).toEqual([])
  expect(from === null || to === null ? null : banOf(from, to)).toStartWith(why)
})

test('the floors of ARCHITECTURE.md are these', async () => {
  const text = await Bun.file(join(SRC, '../ARCHITECTURE.md')).text()
  const [, drawn = ''] = /^## The floors\n\n```\nmain\.ts\n(.*?)^```/ms.exec(text) ?? []
  const rooms = drawn
    .trimEnd()
    .split('\n')
    .map(line =>
      line
        .slice(2, 26)
        .split('|')
        .map(name => name.trim())
        .sort(),
    )
  expect(rooms.reverse()).toEqual(RANKS.map(rank => rank.map(({ name }) => name).sort()))
})

test('in the proxy, who somebody is becomes fields in one place, and is known nowhere else', () => {
  const knowing = own.filter(one => one.file.startsWith('proxy/') && targetOf(one).startsWith('identity/'))
  expect([...new Set(knowing.map(({ file }) => file))].sort()).toEqual(KNOWS_PEOPLE)
})

test('no file needs itself, not even for a type: what goes around in a circle cannot be read from one end', () => {
  const circles: string[] = []
  const isDone = new Set<string>()
  const follow = (file: string, path: readonly string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (isDone.has(file) || path.includes(file)) return
    for (const next of needs.get(file) ?? []) follow(next, [...path, file])
    isDone.add(file)
  }
  for (const file of files) follow(file, [])
  expect(circles).toEqual([])
})

const NAMING = [
  { document: 'ARCHITECTURE.md', least: 30 },
  { document: 'docs/CONTRIBUTING.md', least: 10 },
  { document: 'docs/SECURITY.md', least: 8 },
  { document: 'docs/limits.md', least: 6 },
  { document: 'docs/performance.md', least: 3 },
] as const

test.each(NAMING)('$document names files that there are', async ({ document, least }) => {
  const root = resolve(SRC, '..')
  const text = await Bun.file(join(root, document)).text()
  const named = [...text.matchAll(/(?<![\w./*-])([\w./*-]+\.tsx?)(?!\w)/g)].map(match => match[1] ?? '')
  expect(named.length).toBeGreaterThan(least)
  const isThere = (pattern: string) => [...new Glob(pattern).scanSync({ cwd: root, dot: true })].length > 0
  expect(named.filter(name => ![name, `src/${name}`, `src/*/${name}`].some(isThere))).toEqual([])
})

test('packages that may be changed one day stand behind one file', () => {
  const banned = imports.filter(({ file, names }) => names in SINGLE_IMPORTERS && SINGLE_IMPORTERS[names] !== file)
  expect(banned).toEqual([])
})

test('only what runs as a process touches it, so that everything else can be tested with values', async () => {
  const banned: string[] = []
  for (const file of files) {
    if (PROCESS_ROOMS.some(room => file.startsWith(room))) continue
    const text = await Bun.file(join(SRC, file)).text()
    for (const [index, line] of text.split('\n').entries()) {
      if (/^\s*(\/?\*|\/\/)/.test(line)) continue
      if (TOUCHES.test(line)) {
        banned.push(`${file}:${index + 1} ${line.trim()}`)
      }
    }
  }
  expect(banned).toEqual([])
})

test('a command opens the session store where it becomes its user before, and nowhere else', async () => {
  const openers: string[] = []
  for (const file of files.filter(name => name.startsWith('cli/'))) {
    const text = await Bun.file(join(SRC, file)).text()
    const opened = ['openSessionState(', 'openSqliteStore(', 'backUpDatabase(', 'openBackup('].some(call =>
      text.includes(call),
    )
    if (opened) openers.push(file)
    if (opened) expect([file, text.includes('becomeStoreUser(user)')]).toEqual([file, true])
  }
  expect(openers).toEqual(['cli/backup.ts', 'cli/restore.ts', 'cli/with-sessions.ts'])
})

test('owner and mode are changed by a descriptor alone: at a path, somebody else may have put a link', async () => {
  const byPath: string[] = []
  for (const file of files) {
    if (/\bl?ch(?:own|mod)(?:Sync)?\(/.test(await Bun.file(join(SRC, file)).text())) byPath.push(file)
  }
  expect(byPath).toEqual([])
})
