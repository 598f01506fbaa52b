import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'
import type { World } from '../checks.ts'

const bytes = (text: string) => Uint8Array.from(text, letter => letter.charCodeAt(0))

/** The beginnings of files, as far as anything here looks at them. */
export const PICTURES = {
  'a.svg': '<?xml version="1.0"?>\n<!-- a > b --><svg xmlns="http://www.w3.org/2000/svg"/>',
  'a.png': bytes('\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01'),
  'a.webp': bytes('RIFF\x1a\0\0\0WEBPVP8L'),
  'a.ico': bytes('\0\0\x01\0\x01\0\x10\x10'),
} as const

/** A world with these files in the config file's folder. */
export function folderOf(files: Readonly<Record<string, string | Uint8Array>>): World {
  return { files: Object.fromEntries(Object.entries(files).map(([name, held]) => [`/etc/sallyport/${name}`, held])) }
}

const portal = (lines: string) =>
  `[portals.home]\nproviders = ["id"]\n${lines}\n[portals.home.roles]\nuser = { any = true }`
const app = (lines: string, host = 'app.example.com') =>
  `[[routes]]\nhost = "${host}"\nupstream = "http://app"\nallow = ["user"]\nportal = "home"\n${lines}`
const JPEG = bytes('\xff\xd8\xff\xe0\0\x10JFIF')
const HUGE = bytes(`\x89PNG\r\n\x1a\n\0\0\0\rIHDR${' '.repeat(256 * 1024)}`)

/** Mistakes about logos and icons. */
export const PICTURE_CASES: readonly (readonly [DiagnosticCode, string, string, World?])[] = [
  ['portal.logo', 'a file that is not there', portal('logo = «"logo.svg"»')],
  ['portal.logo', 'a page', portal('logo = «"a.svg"»'), folderOf({ 'a.svg': '<html><svg/></html>' })],
  ['portal.logo', 'a huge one', portal('logo = «"a.svg"»'), folderOf({ 'a.svg': `<svg>${' '.repeat(65_536)}</svg>` })],
  ['portal.logo', 'an ICO image', portal('logo = «"a.ico"»'), folderOf(PICTURES)],
  ['portal.logo', 'a dark one alone', portal('«logo_dark» = "a.svg"'), folderOf(PICTURES)],
  ['portal.logo', 'a dark one that is none', portal('logo = "a.png"\nlogo_dark = «"b.png"»'), folderOf(PICTURES)],
  ['app.icon', 'a JPEG image by the name of a PNG', app('app = { icon = «"a.png"» }'), folderOf({ 'a.png': JPEG })],
  ['app.icon', 'a name that the set of icons does not have', app('app = { icon = «"grafanna"» }')],
  ['app.icon', 'an empty file', app('app = { icon = «"a.png"» }'), folderOf({ 'a.png': '' })],
  ['app.icon', 'a huge one', app('app = { icon = «"a.png"» }'), folderOf({ 'a.png': HUGE })],
  ['app.icon', 'an address', app('app = { icon = «"https://example.com/a.png"» }')],
  ['portal.logo', 'the picture itself', portal('logo = «"data:image/png;base64,AAAA"»')],
  ['app.icon', 'text', app('app = { icon = «"a.svg"» }'), folderOf({ 'a.svg': 'my icon' })],
  ['app.unlisted', 'on a wildcard host', app('«app» = { group = "Tools" }', '*.example.com')],
  ['key.unknown', 'an icon outside its table', app('«icon» = "a.png"')],
  ['key.unknown', 'a name inside it', app('app = { «name» = "App" }')],
]
