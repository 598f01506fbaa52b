import { source as AXE } from 'axe-core'
import type { BrowserContext, Page } from 'playwright-core'

/**
 * What a page does that keeps people out, as sentences; empty when nothing was found.
 *
 * Looks at: language, title, one main heading and an order of headings without gaps, landmarks around everything and names of
 * those that lead on, names of controls and images, text contrast as computed (WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for large
 * text), edges of fields and buttons and the ring of the focus (1.4.11, 2.4.7: 3 to 1), a width that fits the screen (1.4.10), words that are
 * cut off, and targets of 44 by 44 pixels (2.5.5). Then all rules of axe-core that are on unless somebody turns them off: what they
 * find begins with `axe`.
 */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  // A click ends once the next page begins, of which a half may be there.
  await page.waitForLoadState()
  return barriersSoFar(page)
}

/** The same of a page that leads on while it is read, and so is never there to its end. */
export async function barriersSoFar(page: Page): Promise<readonly string[]> {
  const found: readonly unknown[] = [await page.evaluate(LOOK), await page.evaluate(AXE + RUN_AXE)]
  return found.flatMap(list => {
    if (!Array.isArray(list)) throw new TypeError('the look at the page answered no list')
    return list.map(String)
  })
}

/**
 * Has pages that count down to load themselves again stand still, as in a tab that nobody sees: on a busy machine, to look at all of one
 * takes longer than it counts.
 */
export async function holdCountdowns(context: BrowserContext): Promise<void> {
  await context.addInitScript(
    `Object.defineProperty(document, 'hidden', { get: () => document.querySelector('[data-again]') !== null })`,
  )
}

/** Its source is run by the debugger, which no policy of a page forbids; it is gone with the page. */
const RUN_AXE = `;axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => 'axe ' + id + ' (' + impact + '): ' + html.slice(0, 120))))`

/** Text for the page itself: the project's own types know no DOM. */
const LOOK = `(() => {
  const found = []
  const name = element => '<' + element.tagName.toLowerCase() + '> "' + (element.textContent ?? '').trim().slice(0, 40) + '"'
  if (!document.documentElement.lang) found.push('the page names no language')
  if (!document.title.trim()) found.push('the page has no title')
  const headings = document.querySelectorAll('h1')
  if (headings.length !== 1) found.push('the page has ' + headings.length + ' main headings')
  if (document.querySelectorAll('main').length !== 1) found.push('the page has no single main landmark')
  if (document.documentElement.scrollWidth > innerWidth) found.push('the page is wider than the screen')
  let level = 0
  for (const heading of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const next = Number(heading.tagName[1])
    if (next > level + 1) found.push(name(heading) + ' comes after a heading of level ' + level)
    level = next
  }
  for (const nav of document.querySelectorAll('nav:not([aria-label]):not([aria-labelledby])')) found.push(name(nav) + ' has no name')
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id)
  if (new Set(ids).size !== ids.length) found.push('an id is used twice')

  const isShown = element => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  const labelOf = element => (element.getAttribute('aria-label') ?? '') +
    [...(element.labels ?? [])].map(label => label.textContent).join('') +
    (element.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join('')
  for (const element of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
    if (!isShown(element)) continue
    const own = /^(A|BUTTON|SUMMARY)$/.test(element.tagName) ? element.textContent : ''
    if (!(labelOf(element) + own).trim()) found.push(element.outerHTML.slice(0, 80) + ' has no name')
    const box = element.getBoundingClientRect()
    const isInline = element.tagName === 'A' && getComputedStyle(element).display === 'inline'
    const isTicked = /^(checkbox|radio|file)$/.test(element.type ?? '')
    if (!isInline && !isTicked && (box.width < 44 || box.height < 44)) found.push(name(element) + ' is too small a target')
  }
  for (const image of document.querySelectorAll('img:not([alt])')) found.push(image.outerHTML.slice(0, 80) + ' has no alternative')

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = colour
    canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1)
  const light = colour => {
    const [r, g, b] = colour.slice(0, 3).map(part => part / 255).map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrastOf = (colour, ground) => {
    const [bright, dim] = [light(over(rgba(colour), ground)), light(ground)].sort((left, right) => right - left)
    return (bright + 0.05) / (dim + 0.05)
  }
  // Every colour that may lie behind a text: a gradient may show any of its stops there.
  const groundsOf = element => {
    const chain = []
    for (let at = element; at; at = at.parentElement) chain.unshift(getComputedStyle(at))
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.documentElement).colorScheme.includes('dark')
    let grounds = [isDark ? [18, 18, 18, 1] : [255, 255, 255, 1]]
    for (const style of chain) {
      const stops = style.backgroundImage.match(/rgba?\\([^)]*\\)|color\\([^)]*\\)/g) ?? []
      grounds = grounds.map(below => over(rgba(style.backgroundColor), below))
      if (stops.length > 0) grounds = grounds.flatMap(below => stops.map(stop => over(rgba(stop), below)))
    }
    return grounds
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement
    if (!node.data.trim() || /^(SCRIPT|STYLE)$/.test(element.tagName) || !isShown(element)) continue
    const style = getComputedStyle(element)
    const ratio = Math.min(...groundsOf(element).map(ground => contrastOf(style.color, ground)))
    if (!element.closest('main, nav, header, footer')) found.push(name(element) + ' is in no landmark')
    const size = parseFloat(style.fontSize)
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5
    if (ratio < least) found.push(name(element) + ' has a contrast of ' + ratio.toFixed(2))
  }
  for (const element of document.querySelectorAll('input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), select, textarea, .act')) {
    const style = getComputedStyle(element)
    const ratio = Math.min(...groundsOf(element.parentElement).map(ground => contrastOf(style.borderTopColor, ground)))
    if (isShown(element) && (ratio < 3 || parseFloat(style.borderTopWidth) < 1)) found.push(element.outerHTML.slice(0, 60) + ' has an edge with a contrast of ' + ratio.toFixed(2))
  }
  for (const element of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')) {
    if (!isShown(element) || element.disabled) continue
    element.focus({ focusVisible: true, preventScroll: true })
    const style = getComputedStyle(element)
    const ratio = Math.min(...groundsOf(element.parentElement).map(ground => contrastOf(style.outlineColor, ground)))
    if (style.outlineStyle === 'auto') continue
    if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2 || ratio < 3) found.push(name(element) + ' does not show the focus')
    element.blur()
  }
  for (const element of document.querySelectorAll('h1, h2, h3, p, dd, dt, a, button, span, code')) {
    const style = getComputedStyle(element)
    const mayCut = style.webkitLineClamp !== 'none'
    if (isShown(element) && !mayCut && style.display !== 'inline' && element.scrollWidth > element.clientWidth + 1) found.push(name(element) + ' is wider than its place')
  }
  return found
})()`
