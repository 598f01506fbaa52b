import { deriveDark } from './colour.ts'
import type { ConfigFiles } from './files.ts'
import type { RootTable } from './keys.ts'
import type { PortalTable } from './keys-portals.ts'
import { known } from './known.ts'
import { showRaw } from './raw.ts'
import type { Report } from './report.ts'
import type { Brand } from './types.ts'

/** A logo travels in every page. */
const MOST_BYTES = 64 * 1024

/** That every logo is an SVG file of a reasonable size, and that a colour for the dark has one for the light. */
export function checkBrands(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.portals?.values() ?? []) {
    const dark = raw.entries.get('colour_dark')
    if (dark !== undefined && !raw.entries.has('colour')) {
      report.mistake(dark.at, 'portal.colour', 'colour_dark is set without colour', { hint: 'add colour', part: 'key' })
    }
    const entry = raw.entries.get('logo')
    if (entry === undefined || !values.logo) continue
    const file = files.read(values.logo)
    const fault = file.ok ? faultOf(file.text) : file.why
    if (fault === null) continue
    const hint = 'an SVG file of at most 64 kB, by an absolute path or one from the config file’s folder'
    report.mistake(entry.at, 'portal.logo', `the file ${showRaw(entry)} ${fault}`, { hint })
  }
}

function faultOf(text: string): string | null {
  if (!/^\uFEFF?\s*(?:<\?xml[^>]*>\s*|<!--[\s\S]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]/i.test(text))
    return 'is not an SVG image'
  return Buffer.byteLength(text) > MOST_BYTES ? 'is too large' : null
}

/**
 * A portal's look. The logo becomes a data: address for an `img`, where no browser runs scripts or loads anything for it.
 *
 * Source: SVG 2 §2.2 (secure static mode).
 */
export function buildBrand({ values }: PortalTable, files: ConfigFiles): Brand {
  const [path, light] = [known(values.logo, 'logo'), known(values.colour, 'colour')]
  const file = path === null ? null : files.read(path)
  return {
    logo: file?.ok === true ? `data:image/svg+xml;base64,${Buffer.from(file.text).toString('base64')}` : null,
    colours: light === null ? null : { light, dark: known(values.colour_dark, 'colour_dark') ?? deriveDark(light) },
  }
}
