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

/** Where what a form sends back begins, and each mark that would turn text around elsewhere. */
const FIELD_OR_MARK = / value="|<textarea|\p{Bidi_Control}/gu

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
  return showTurningButInFields(html)
}

function showTurningButInFields(html: string): string {
  let shown = ''
  let shownUntil = 0
  let fieldEnd = 0
  for (const { 0: found, index } of html.matchAll(FIELD_OR_MARK)) {
    if (index < fieldEnd) continue
    if (found.length > 1) fieldEnd = html.indexOf(found === '<textarea' ? '</textarea>' : '"', index + found.length)
    else {
      shown += html.slice(shownUntil, index) + showTurning(found)
      shownUntil = index + 1
    }
  }
  return shown + html.slice(shownUntil)
}

/** The stylesheet that puts a portal's colours over our own; null where it has none. */
export function brandStyle(brand: Brand | null): string | null {
  if (brand === null || brand.colours === null) return null
  const { light, dark } = brand.colours
  const root = ({ accent, tint }: typeof light) => `:root,select{--accent:${accent};--tint:${tint}}`
  return `${root(light)}@media (prefers-color-scheme:dark){${root(dark)}}`
}
