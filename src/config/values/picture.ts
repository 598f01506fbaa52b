import { sha256 } from '../../base/bytes.ts'
import type { Picture, PictureType } from '../types/values.ts'

/** How files begin, and what they then are. Source: PNG 3 §5.2, RFC 9649 §2.4 (WebP), the Windows ICO header. */
const BEGINNINGS: readonly (readonly [what: string, ...marks: readonly (readonly [at: number, text: string])[]])[] = [
  ['image/png', [0, '\x89PNG\r\n\x1a\n'], [12, 'IHDR']],
  ['image/webp', [0, 'RIFF'], [8, 'WEBP']],
  ['image/x-icon', [0, '\0\0\x01\0']],
  ['a JPEG image', [0, '\xff\xd8\xff']],
  ['a GIF image', [0, 'GIF8']],
  ['an AVIF image', [4, 'ftypavi']],
  ['a BMP image', [0, 'BM']],
  ['compressed', [0, '\x1f\x8b']],
  ['a PDF file', [0, '%PDF']],
]

/** What may stand before an SVG's element, one of it at a time: a single expression for all of it has countless ways to be read. */
const BEFORE_SVG = /\s+|<\?xml[^>]*>|<!--[\s\S]*?-->|<!DOCTYPE[^>]*>/iy
const SVG = /<svg[\s>]/iy

/** How much of a file tells what it is. An SVG may begin with a long comment. */
const HEAD_BYTES = 16 * 1024

export interface PictureLimits {
  readonly takes: readonly PictureType[]
  readonly mostBytes: number
}

/** The picture that these bytes are, or what is wrong with the file, as the end of a sentence. The file's name counts for nothing. */
export function parsePicture(bytes: Uint8Array, limits: PictureLimits): Picture | string {
  if (bytes.byteLength === 0) return 'is empty'
  const type = typeOf(bytes)
  if (type === null) return 'is no picture that browsers know'
  const taken = limits.takes.find(one => one === type)
  if (taken === undefined) return `is ${FOUND.get(type) ?? type}`
  if (bytes.byteLength > limits.mostBytes) {
    return `has ${Math.ceil(bytes.byteLength / 1024)} kB, and ${limits.mostBytes / 1024} are allowed`
  }
  return { type: taken, base64: Buffer.from(bytes).toString('base64'), hash: sha256(bytes) }
}

const FOUND: ReadonlyMap<string, string> = new Map([['image/x-icon', 'an ICO image']])

function typeOf(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES))
  const letters = head.toString('latin1')
  const known = BEGINNINGS.find(([, ...marks]) => marks.every(([at, text]) => letters.startsWith(text, at)))
  if (known !== undefined) return known[0]
  return beginsSvg(head.toString('utf8')) ? 'image/svg+xml' : null
}

function beginsSvg(text: string): boolean {
  let at = text.startsWith('\uFEFF') ? 1 : 0
  for (;;) {
    BEFORE_SVG.lastIndex = at
    if (!BEFORE_SVG.test(text)) break
    at = BEFORE_SVG.lastIndex
  }
  SVG.lastIndex = at
  return SVG.test(text)
}

/** A picture as an address that holds it whole. */
export function dataAddress({ type, base64 }: Picture): string {
  return `data:${type};base64,${base64}`
}
