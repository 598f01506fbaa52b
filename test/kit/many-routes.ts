import { heapStats } from 'bun:jsc'
import { checkConfig } from '../../src/config/check.ts'
import type { Config } from '../../src/config/resolve/config.ts'
import { createUpstreamPool } from '../../src/proxy/upstream/upstream.ts'
import { compileSnapshot } from '../../src/server/config/compile.ts'
import type { Snapshot } from '../../src/server/config/snapshot.ts'
import { fakeClock, quietPorts } from './clock.ts'
import { PORTAL } from './gate.ts'

const SOURCES = {
  file: '/etc/routes.toml',
  readText: () => '',
  readBytes: () => new Uint8Array(),
  env: () => undefined,
}

/** The Config of many routes that differ in their hosts, as they do where there are thousands. */
export function manyRoutes(count: number, lead = ''): { readonly config: Config; readonly fingerprint: string } {
  const routes = Array.from(
    { length: count },
    (_, index) => `
[[routes]]
host = "app${index}.example.com"
upstream = "http://127.0.0.1:9000"
portal = "home"
allow = ["user", { networks = ["10.0.0.0/8", "192.168.0.0/16"] }]
request_headers = { set = { X-User = "{email}" }, remove = ["X-Debug"] }
headers = "remote"`,
  )
  const checked = checkConfig(`${lead}${PORTAL}${routes.join('\n')}\n`, SOURCES)
  if (!checked.ok) throw new TypeError(checked.diagnostics.map(({ message }) => message).join('\n'))
  return checked
}

async function heapBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    Bun.gc(true)
    await Bun.sleep(0)
  }
  const { heapSize, extraMemorySize } = heapStats()
  return heapSize + extraMemorySize
}

// A process of its own, so that nothing else is in its heap: says what routes keep, and what reading them again adds.
if (import.meta.main) {
  const count = Number(process.argv[2])
  const pool = createUpstreamPool({ ...quietPorts(fakeClock()), ask: () => Promise.reject(new Error('nobody asks')) })
  const compile = (routes: number, lead: string): Snapshot => {
    const { config, fingerprint } = manyRoutes(routes, lead)
    return compileSnapshot(config, fingerprint, pool)
  }
  // What is made once whatever the file says, such as the code of all this, is not counted.
  let held = compile(10, '# warm\n')
  const before = await heapBytes()
  held = compile(count, '# first\n')
  const once = await heapBytes()
  for (let save = 0; save < 4; save++) held = compile(count, `# ${save}\n`)
  const added = (await heapBytes()) - once
  process.stdout.write(JSON.stringify({ routes: held.routes.length, kept: once - before, added }))
}
