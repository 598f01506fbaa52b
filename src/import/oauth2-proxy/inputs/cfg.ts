import { renderDiagnostics } from '../../../config/render.ts'
import { createLocator } from '../../../config/text/locate.ts'
import { parseToml } from '../../../config/text/parse.ts'
import { itemsOf, type Raw } from '../../../config/text/raw.ts'
import type { OldText, Read } from './files.ts'
import type { Stated } from './stated.ts'

/** The options of an oauth2-proxy.cfg, read as leniently as oauth2-proxy reads them; or where it is no TOML. */
export function readCfg({ text, shownAs }: OldText, colour: boolean): Read<readonly Stated[]> {
  const parsed = parseToml(text)
  if (parsed.ok) {
    const locator = createLocator(text)
    const stated = [...parsed.value.entries].map(([name, raw]) => ({
      name,
      values: itemsOf(raw).map(plain),
      isList: raw.kind === 'list',
      line: locator.find([name], 'key').line,
      file: shownAs,
    }))
    return { ok: true, value: stated }
  }
  const { code, message, hint } = parsed.refusal
  const place = createLocator(text).fromUnits(parsed.line, parsed.column)
  // The frame would show the line as it is, and a broken line may be the one with the secret.
  const diagnostic = { severity: 'error', code, message, hint, path: '', file: shownAs, ...place } as const
  return { ok: false, why: renderDiagnostics([diagnostic], new Map(), { colour }) }
}

function plain(raw: Raw): string {
  switch (raw.kind) {
    case 'text':
      return raw.source
    case 'integer':
    case 'float':
    case 'boolean':
      return String(raw.value)
    default:
      return ''
  }
}
