import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { Report } from '../text/report.ts'
import type { Brand } from '../types/portals.ts'
import type { Picture } from '../types/values.ts'
import { deriveDark } from '../values/colour.ts'
import type { ConfigFiles } from '../values/files.ts'
import { dataAddress } from '../values/picture.ts'
import { buildPicture, checkPicture, LOGO } from '../values/pictures.ts'

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

/**
 * A portal's look. A logo becomes a data: address for an `img`, where no browser runs scripts or loads anything for it.
 *
 * Source: SVG 2 §2.2 (secure static mode).
 */
export function buildBrand({ values }: PortalTable, files: ConfigFiles): Brand {
  const light = known(values.colour, 'colour')
  const logo = buildPicture(known(values.logo, 'logo'), LOGO, files)
  const logoDark = buildPicture(known(values.logo_dark, 'logo_dark'), LOGO, files)
  return {
    logo: address(logo),
    logoDark: address(logoDark),
    colours: light === null ? null : { light, dark: known(values.colour_dark, 'colour_dark') ?? deriveDark(light) },
  }
}

function address(picture: Picture | null): string | null {
  return picture === null ? null : dataAddress(picture)
}
