/** The JSON of a Caddy, from any source; or why there is none. `isUsage`: the command line has to change. */
export type CaddyJson =
  | { readonly ok: true; readonly json: unknown; readonly said: readonly Said[] }
  | { readonly ok: false; readonly why: string; readonly isUsage: boolean }

/** What has to be known of how it was read. */
export interface Said {
  readonly option: string
  readonly line: number | null
  readonly say: string
}

/** How much of Caddy's JSON is read. */
export const MOST_BYTES = 50 * 1024 * 1024

/** Whether a text is what `caddy adapt` prints, or an autosave.json. */
export function isCaddyJson(text: string): boolean {
  if (!/^\s*\{/.test(text)) return false
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === 'object' && json !== null && 'apps' in json && typeof json.apps === 'object'
  } catch {
    return false
  }
}

/** Reads what is said to be Caddy's JSON. `whence` begins what is said of it. */
export function parseCaddyJson(text: string, whence: string): CaddyJson {
  const fail = (why: string): CaddyJson => ({ ok: false, why: `${whence} ${why}`, isUsage: false })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return fail('is no JSON: give what "caddy adapt" prints on standard output, without standard error')
  }
  if (json === null) return fail('says null: this Caddy has no configuration loaded')
  const apps = typeof json === 'object' && 'apps' in json ? json.apps : undefined
  const http = typeof apps === 'object' && apps !== null && 'http' in apps ? apps.http : undefined
  if (http === undefined) return fail('has no sites in it: "apps" with "http" is what a Caddy with sites has')
  return { ok: true, json, said: [] }
}
