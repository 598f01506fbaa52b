import type { RootTable } from '../keys/keys.ts'
import type { Report } from '../text/report.ts'
import type { ConfigFiles } from '../values/files.ts'
import { checkPicture, LOGO } from '../values/pictures.ts'

/** That every logo is a picture of a reasonable size, and that what is for the dark has its like for the light. */
export function checkBrands(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.portals?.values() ?? []) {
    for (const [name, code] of [
      ['colour', 'portal.colour'],
      ['logo', 'portal.logo'],
    ] as const) {
      const dark = raw.entries.get(`${name}_dark`)
      if (dark === undefined || raw.entries.has(name)) continue
      report.mistake(dark.at, code, `${name}_dark is set without ${name}`, { hint: `add ${name}`, part: 'key' })
    }
    for (const name of ['logo', 'logo_dark'] as const) {
      const [entry, path] = [raw.entries.get(name), values[name]]
      if (entry === undefined || !path) continue
      checkPicture({ entry, path, limits: LOGO, code: 'portal.logo' }, files, report)
    }
  }
}
