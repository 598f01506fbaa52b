import type { Known } from '../keys/known.ts'
import type { PortalTable } from '../keys/portals.ts'
import type { Brand } from '../types/portals.ts'
import type { Picture } from '../types/values.ts'
import { deriveDark } from '../values/colour.ts'
import type { ConfigFiles } from '../values/files.ts'
import { dataAddress } from '../values/picture.ts'
import { buildPicture, LOGO } from '../values/pictures.ts'

/**
 * A portal's look. A logo becomes a data: address for an `img`, where no browser runs scripts or loads anything for it.
 *
 * Source: SVG 2 §2.2 (secure static mode).
 */
export function buildBrand({ colour, colour_dark, logo, logo_dark }: Known<PortalTable>, files: ConfigFiles): Brand {
  return {
    logo: address(buildPicture(logo, LOGO, files)),
    logoDark: address(buildPicture(logo_dark, LOGO, files)),
    colours: colour === null ? null : { light: colour, dark: colour_dark ?? deriveDark(colour) },
  }
}

function address(picture: Picture | null): string | null {
  return picture === null ? null : dataAddress(picture)
}
