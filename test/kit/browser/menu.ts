import type { Page } from 'playwright-core'

/** Shows what the bar of a page of ours leads to: on a narrow screen it is behind a button. */
export async function openMenu(page: Page): Promise<void> {
  await page.locator('.bar').waitFor()
  const button = page.locator('.menu')
  if (await button.isVisible()) await button.click()
}
