import { type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import type { Picture } from '../types/values.ts'
import type { ConfigFiles } from './files.ts'
import { type PictureLimits, parsePicture } from './picture.ts'

/** What the portal's logos may be. A logo travels in every page. */
export const LOGO: PictureLimits = { takes: ['image/svg+xml', 'image/png', 'image/webp'], mostBytes: 64 * 1024 }

/** What the icons of applications may be: each is fetched once, and kept by browsers. */
export const ICON: PictureLimits = { takes: [...LOGO.takes, 'image/x-icon'], mostBytes: 256 * 1024 }

/** That the file at a path is a picture; `entry` is where the path stands. */
export function checkPicture({ entry, path, limits, code }: PicturePlace, files: ConfigFiles, report: Report): void {
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) {
    const hint = 'our pages load nothing from elsewhere: save the picture beside the config file, and name that file'
    report.mistake(entry.at, code, `${showRaw(entry)} is an address, not a file`, { hint })
    return
  }
  const found = readPicture(path, limits, files)
  if (typeof found !== 'string') return
  const kinds = limits.takes.length === LOGO.takes.length ? 'SVG, PNG or WebP' : 'SVG, PNG, WebP or ICO'
  const hint = `an ${kinds} file of at most ${limits.mostBytes / 1024} kB, by an absolute path or one from the config file’s folder`
  report.mistake(entry.at, code, `the file ${showRaw(entry)} ${found}`, { hint })
}

export interface PicturePlace {
  readonly entry: Raw
  readonly path: string
  readonly limits: PictureLimits
  readonly code: 'portal.logo' | 'app.icon'
}

/** The picture in a file that was checked; null where there is no path. */
export function buildPicture(path: string | null, limits: PictureLimits, files: ConfigFiles): Picture | null {
  const found = path === null ? null : readPicture(path, limits, files)
  if (typeof found === 'string') throw new TypeError('a picture with a mistake was not reported')
  return found
}

function readPicture(path: string, limits: PictureLimits, files: ConfigFiles): Picture | string {
  const file = files.readBytes(path)
  return file.ok ? parsePicture(file.bytes, limits) : file.why
}
