/**
 * The font of the pages: Figtree (SIL Open Font License), in two files, of which a browser loads the second only for letters that the
 * first lacks.
 *
 * Each has one address on every host, the hash of its bytes: a browser keeps it for good. It is nobody's secret, so no cookie is
 * asked for, and hosts that are not served have it too: their pages look the same.
 */
import { readFileSync } from 'node:fs'
import latinExt from '@fontsource-variable/figtree/files/figtree-latin-ext-wght-normal.woff2' with { type: 'file' }
import latin from '@fontsource-variable/figtree/files/figtree-latin-wght-normal.woff2' with { type: 'file' }
import { sha256 } from '../../base/bytes.ts'
import { ownPath } from '../paths.ts'

interface FontFile {
  readonly address: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** By the names that the stylesheet has for them. */
const FILES: readonly (readonly [name: string, file: FontFile])[] = [
  ['FIGTREE-LATIN-EXT', openFont(latinExt)],
  ['FIGTREE-LATIN', openFont(latin)],
]

const BY_ADDRESS = new Map(FILES.map(([, file]) => [file.address, file]))

function openFont(path: string): FontFile {
  const bytes = new Uint8Array(readFileSync(path))
  return { address: `${ownPath('fonts')}/${sha256(bytes).slice(0, 16)}.woff2`, bytes }
}

/** The stylesheet with the addresses of the fonts. */
export function withFonts(stylesheet: string): string {
  return FILES.reduce((text, [name, { address }]) => text.replaceAll(`"${name}"`, `"${address}"`), stylesheet)
}

/** The font at a path, the same for everybody; null where there is none. Source: RFC 9111 §5.2.2, RFC 8246 (immutable). */
export function fontAt(path: string): Response | null {
  const file = path.startsWith(ownPath('fonts')) ? BY_ADDRESS.get(path) : undefined
  if (file === undefined) return null
  return new Response(file.bytes, {
    headers: {
      'content-type': 'font/woff2',
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'x-content-type-options': 'nosniff',
    },
  })
}
