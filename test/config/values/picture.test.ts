import { describe, expect, test } from 'bun:test'
import { ICON, LOGO, parsePicture } from '../../../src/config/values/picture.ts'
import { folderOf, PICTURES } from '../checks/picture-cases.ts'
import { accepts, check } from '../checks.ts'

const ROUTE = '[[routes]]\nhost = "kuma.example.com"\nupstream = "http://kuma"\nportal = "home"\nallow = ["user"]\n'
const appOf = (lines: string) => accepts(ROUTE + lines, folderOf(PICTURES)).routes[0]?.app

describe('an icon', () => {
  test.each([
    ['a.svg', 'image/svg+xml'],
    ['a.png', 'image/png'],
    ['a.webp', 'image/webp'],
    ['a.ico', 'image/x-icon'],
  ] as const)('%s is known by its bytes as %s', (name, type) => {
    const icon = appOf(`app = { icon = "${name}" }`)?.icon
    expect(icon?.type).toBe(type)
    expect(Buffer.from(icon?.base64 ?? '', 'base64')).toEqual(Buffer.from(PICTURES[name]))
  })

  test('counts by what is in the file: its change is another file, and its path is watched', () => {
    const text = `${ROUTE}app = { icon = "a.png" }`
    const [one, other] = ['\x01', '\x02'].map(end =>
      check(`${text}\n${PROVIDERS}`, folderOf({ 'a.png': Uint8Array.from([...PICTURES['a.png'], end.charCodeAt(0)]) })),
    )
    expect(one?.ok).toBe(true)
    expect(one?.fingerprint).not.toBe(other?.fingerprint)
    expect(one?.files).toContain('/etc/sallyport/a.png')
  })

  test('says what is wrong with it', () => {
    const said = (text: string) => parsePicture(Buffer.from(text, 'latin1'), LOGO)
    expect(said('')).toBe('is empty')
    expect(said('GIF89a')).toBe('is a GIF image')
    expect(said('\0\0\x01\0\x01\0')).toBe('is an ICO image')
    expect(said('hello')).toBe('is no picture that browsers know')
    expect(parsePicture(Buffer.alloc(300 * 1024, '<svg> '), ICON)).toBe('has 300 kB, and 256 are allowed')
  })
})

const PROVIDERS =
  '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n[portals.home]\nurl = "https://auth.example.com"\nproviders = ["id"]\n[portals.home.roles]\nuser = { any = true }'

test('a route says how it shows among the applications, or leaves it', () => {
  expect(appOf('app = { group = "Monitoring", description = "Is everything up?", hidden = true }')).toEqual({
    isNamed: true,
    icon: null,
    group: 'Monitoring',
    description: 'Is everything up?',
    isHidden: true,
  })
  expect(appOf('')).toEqual({ isNamed: false, icon: null, group: null, description: null, isHidden: false })
  expect(appOf('name = "Kuma"')?.isNamed).toBe(true)
})

test('a portal may have a logo for each scheme, of any kind', () => {
  const { portals } = accepts(
    '[portals.home]\nproviders = ["id"]\nlogo = "a.png"\nlogo_dark = "a.webp"\n[portals.home.roles]\nuser = { any = true }',
    folderOf(PICTURES),
  )
  const brand = portals.get('home')?.brand
  expect(brand?.logo).toBe(`data:image/png;base64,${Buffer.from(PICTURES['a.png']).toString('base64')}`)
  expect(brand?.logoDark).toStartWith('data:image/webp;base64,')
})
