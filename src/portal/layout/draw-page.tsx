/** @jsxImportSource hono/jsx */

/** What a page is drawn with: the portal's logo and colours, its script and its stylesheet. */

import { type Child, createContext } from 'hono/jsx'
import { showTurning } from '../../base/control-characters.ts'
import type { Brand } from '../../config/resolve/portals.ts'
import type { Script, Sheet } from './assets.ts'

/** How the page that is being drawn looks: its portal's logo and colours. */
export const BrandContext = createContext<Brand | null>(null)

/** The one script of the page that is being drawn; null for a page without. */
export const ScriptContext = createContext<Script | null>(null)

/** The stylesheet that the page has beside the common one; null for a page without. */
export const SheetContext = createContext<Sheet | null>(null)

/** What a form sends back, and each mark that would turn text around elsewhere. */
const SENT_OR_TURNING = /<textarea[^>]*>[^<]*<\/textarea>| value="[^"]*"|\p{Bidi_Control}/gu

/**
 * A page drawn with a portal's look, as HTML. What people and providers call themselves turns nothing around on it. What a form sends
 * back stays as it is: browsers show each field by itself, and the file or a name must not come back as another one.
 */
export function drawPage(
  brand: Brand | null,
  page: Child,
  script: Script | null = null,
  sheet: Sheet | null = null,
): string {
  const html = String(
    <BrandContext.Provider value={brand}>
      <SheetContext.Provider value={sheet}>
        <ScriptContext.Provider value={script}>{page}</ScriptContext.Provider>
      </SheetContext.Provider>
    </BrandContext.Provider>,
  )
  return html.replace(SENT_OR_TURNING, found => (found.length === 1 ? showTurning(found) : found))
}

/** The stylesheet that puts a portal's colours over our own; null where it has none. */
export function brandStyle(brand: Brand | null): string | null {
  if (brand === null || brand.colours === null) return null
  const { light, dark } = brand.colours
  const root = ({ accent, tint }: typeof light) => `:root,select{--accent:${accent};--tint:${tint}}`
  return `${root(light)}@media (prefers-color-scheme:dark){${root(dark)}}`
}
