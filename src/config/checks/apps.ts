import type { RootTable } from '../keys/keys.ts'
import type { Report } from '../text/report.ts'
import type { ConfigFiles } from '../values/files.ts'
import { checkPicture, ICON } from '../values/pictures.ts'

/** That every icon is a picture, and that what is said of an application can be seen somewhere. */
export function checkApps(root: RootTable, files: ConfigFiles, report: Report): void {
  for (const { raw, values } of root.values.routes ?? []) {
    const app = values.app
    if (!app) continue
    const entry = app.raw.entries.get('icon')
    if (entry !== undefined && app.values.icon) {
      checkPicture({ entry, path: app.values.icon, limits: ICON, code: 'app.icon' }, files, report)
    }
    const at = raw.entries.get('app')?.at ?? app.at
    if (values.portal === null) {
      const hint = 'add portal = "…", or remove app'
      report.warn(at, 'app.unlisted', 'no list shows this route: it has no portal', { hint, part: 'key' })
    } else if (values.host?.every(host => host.startsWith('*.')) === true) {
      const hint = 'a host with a * is no address to open; give the one that people open a route of its own'
      report.warn(at, 'app.unlisted', 'no list shows this route: its host is a wildcard', { hint, part: 'key' })
    }
  }
}
