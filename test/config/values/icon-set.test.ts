import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findGlyph, findIcon, ICON_NAMES } from '../../../src/config/values/icon-set.ts'

const ROOT = join(import.meta.dir, '../../..')

test('every icon has the drawing and the colour that the set gives it', () => {
  const data: readonly { readonly title: string; readonly hex: string; readonly slug?: string }[] = JSON.parse(
    readFileSync(join(ROOT, 'node_modules/simple-icons/data/simple-icons.json'), 'utf8'),
  )
  const titleOf = (name: string) =>
    /<title>([^<]*)<\/title>/.exec(readFileSync(join(ROOT, `node_modules/simple-icons/icons/${name}.svg`), 'utf8'))?.[1]
  const hexes = new Map(data.map(({ title, hex }) => [title, `#${hex.toLowerCase()}`]))
  const wrong = ICON_NAMES.filter(name => {
    const glyph = findGlyph(name)
    return (
      glyph === null || !/^[Mm][\d\s.,a-zA-Z-]+$/.test(glyph.path) || glyph.colour !== hexes.get(titleOf(name) ?? '')
    )
  })
  expect(wrong).toEqual([])
  expect(ICON_NAMES.length).toBeGreaterThan(100)
})

test('a name is found however it is written, and is a picture of its own', () => {
  const [one, other] = [findIcon('Home-Assistant'), findIcon('homeassistant')]
  expect(one).toEqual(other)
  expect(one).toMatch(/^<svg [^>]*><rect [^>]*fill="#[0-9a-f]{6}"\/><path [^>]*\/><\/svg>$/)
  expect(findIcon('grafana')).not.toBe(one)
  for (const name of ['', 'no-such-thing', 'constructor', '__proto__']) expect(findIcon(name)).toBe(null)
})

test('a light colour has a dark drawing on it, any other a white one', () => {
  expect(findIcon('homeassistant')).toContain('fill="#ffffff" d=')
  expect(findIcon('plex')).toContain('fill="#1f2428" d=')
})

test('the documents list every name', () => {
  const text = readFileSync(join(ROOT, 'docs/pages.md'), 'utf8')
  expect(ICON_NAMES.filter(name => !text.includes(`\`${name}\``))).toEqual([])
})
