import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HOST, peer } from '../peers.ts'
import { PROXY_CORE, startChild } from '../process.ts'
import type { Front, FrontName, Subject } from '../subject.ts'

const FRONTS: readonly FrontName[] = ['app', 'upload', 'echo']

/** Traefik with a file for everything. It signs nobody in. */
export function traefik(program: string, folder: string, all: readonly Front[]): Subject {
  const fronts = all.filter(({ name }) => FRONTS.includes(name))
  return peer(
    'traefik',
    'Traefik',
    fronts,
    () => {
      const file = join(folder, 'traefik.yaml')
      const routes = join(folder, 'traefik-routes.yaml')
      writeFileSync(
        file,
        `global: { checkNewVersion: false, sendAnonymousUsage: false }
log: { level: ERROR }
entryPoints:
${fronts.map(({ name, port }) => `  ${name}: { address: "127.0.0.1:${port}" }`).join('\n')}
providers:
  file: { filename: "${routes}" }
`,
      )
      writeFileSync(
        routes,
        `http:
  routers:
${fronts.map(({ name }) => `    ${name}: { entryPoints: [${name}], rule: "Host(\`${HOST}\`)", service: ${name} }`).join('\n')}
  services:
${fronts.map(({ name, upstream }) => `    ${name}: { loadBalancer: { servers: [{ url: "http://127.0.0.1:${upstream}" }] } }`).join('\n')}
`,
      )
      return startChild([program, `--configFile=${file}`], { core: PROXY_CORE })
    },
    front => FRONTS.includes(front),
  )
}
