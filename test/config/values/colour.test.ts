import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { contrastOf, deriveDark, GROUNDS, INKS, parseLightColour } from '../../../src/config/values/colour.ts'
import { STYLE } from '../../../src/portal/layout/assets.ts'
import { accepts } from '../checks.ts'

test('WCAG 2.2: contrast is that of the definition', () => {
  expect(contrastOf('#000000', '#ffffff')).toBe(21)
  expect(contrastOf('#777777', '#ffffff')).toBeCloseTo(4.48, 2)
})

test('the grounds are those of the stylesheet', () => {
  for (const colour of [...GROUNDS.light, ...GROUNDS.dark, INKS.dark]) expect(STYLE).toContain(colour)
  expect(STYLE).toContain('--accent-ink: #fff;')
})

test('every colour that is taken can be read in both schemes, the dark one made of it as well', () => {
  const colour = fc.stringMatching(/^#[0-9a-f]{6}$/)
  fc.assert(
    fc.property(colour, text => {
      const parsed = parseLightColour(text)
      if (!parsed.ok) return
      const dark = deriveDark(parsed.value)
      for (const ground of [...GROUNDS.light, parsed.value.tint, INKS.light])
        expect(contrastOf(parsed.value.accent, ground)).toBeGreaterThanOrEqual(4.5)
      for (const ground of [...GROUNDS.dark, dark.tint, INKS.dark])
        expect(contrastOf(dark.accent, ground)).toBeGreaterThanOrEqual(4.5)
    }),
    { numRuns: 500 },
  )
  expect(parseLightColour('#34624f').ok).toBe(true)
})

test('a portal has its logo as a data: address and its colours for both schemes', () => {
  const svg = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'
  const config = accepts(
    '[portals.home]\nproviders = ["id"]\nlogo = "logo.svg"\ncolour = "#34624F"\n[portals.home.roles]\nuser = { any = true }',
    { files: { '/etc/sallyport/logo.svg': svg } },
  )
  const brand = config.portals.get('home')?.brand
  expect(brand?.logo).toBe(`data:image/svg+xml;base64,${btoa(svg)}`)
  expect(brand?.colours?.light.accent).toBe('#34624f')
  expect(accepts('').portals.get('home')?.brand).toEqual({ logo: null, logoDark: null, colours: null })
})
