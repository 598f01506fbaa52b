import { join } from 'node:path'
import type { Page } from 'playwright-core'

const FOLDER = process.env.PICTURES

/**
 * Keeps a picture of a page, for a person to look at, in the folder that the environment names as `PICTURES`; where it names none,
 * no picture is taken, which costs a run of all pages a minute.
 */
export async function keepPicture(page: Page, name: string, fullPage = true): Promise<void> {
  if (FOLDER !== undefined) await page.screenshot({ path: join(FOLDER, `${name}.png`), fullPage })
}
