import { type Known, known } from '../keys/known.ts'
import type { RouteTable } from '../keys/routes.ts'
import type { AppConfig } from '../types/routes.ts'
import type { ConfigFiles } from '../values/files.ts'
import { buildPicture, ICON } from '../values/pictures.ts'

/** How a route shows in lists; a route without the table shows with its name alone. */
export function buildApp(route: Known<RouteTable>, files: ConfigFiles): AppConfig {
  if (route.app === null) {
    return { isNamed: route.name !== null, icon: null, group: null, description: null, isHidden: false }
  }
  const { icon, group, description, hidden } = known(route.app)
  return { isNamed: true, icon: buildPicture(icon, ICON, files), group, description, isHidden: hidden }
}
