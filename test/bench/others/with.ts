import { accessSync, constants } from 'node:fs'

/** Programs that no registry of ours has: somebody who has one names it. */
const OTHERS = ['oauth2-proxy', 'caddy-security', 'traefik', 'tinyauth'] as const
type OtherName = (typeof OTHERS)[number]

/** Where the programs are that somebody has; and, of the others, why they are left out. */
export interface Others {
  readonly paths: ReadonlyMap<OtherName, string>
  readonly leftOut: readonly { readonly name: OtherName; readonly why: string }[]
}

/** What `--with NAME=PATH` says, once for each program. Throws with what is wrong for a name or a form that there is not. */
export function readOthers(given: readonly string[]): Others {
  const paths = new Map<OtherName, string>()
  const missing = new Map<OtherName, string>()
  for (const one of given) {
    const [text = '', path = ''] = one.split(/=(.*)/s)
    const name = OTHERS.find(known => known === text)
    if (name === undefined || path === '') {
      throw new Error(`--with takes NAME=PATH, and NAME is one of ${OTHERS.join(', ')}; not "${one}"`)
    }
    if (isProgram(path)) paths.set(name, path)
    else missing.set(name, `${path} is no program`)
  }
  const leftOut = OTHERS.filter(name => !paths.has(name)).map(name => ({
    name,
    why: missing.get(name) ?? `name it: --with ${name}=PATH`,
  }))
  return { paths, leftOut }
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
