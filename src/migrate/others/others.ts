/** Programs whose files are recognised and not imported: what to write in their place. */

import { columns } from '../../console/terminal.ts'
import { type OldText, readEnvFile } from '../oauth2-proxy/old-texts.ts'
import { at, parseYaml } from '../yaml.ts'
import { autheliaRows, pomeriumRows, type Row } from './policies.ts'
import { servicesOf, settingsOf, tinyauthRows, traefikForwardAuthRows } from './traefik.ts'

/** A file of a program that is not imported, and its settings in Sallyport's words. */
interface Other {
  readonly program: string
  readonly rows: readonly Row[]
}

/** What is decided otherwise here than there. */
const NOTES: Readonly<Record<string, string>> = {
  Authelia:
    'There the first rule that holds decides, and resources are held to the query too; here any rule of allow is enough, and deny outranks it.',
  Pomerium: 'A route has one upstream, and its people sign in at a portal.',
  Tinyauth: 'There an application is known by its labels; here each has a route.',
  'traefik-forward-auth': 'There an application is known by its labels; here each has a route.',
}

/** What is said of a file of another gate that is not imported; null where it is none of them. */
export async function tellOther(file: OldText): Promise<string | null> {
  const other = await seeOther(file)
  if (other === null) return null
  const { program, rows } = other
  const table = columns([['host', 'path', 'there', 'in routes.toml'], ...rows.map(Object.values)])
  return [
    `${file.shownAs} is a file of ${program}, which import does not read: nothing is written.`,
    'Its hosts and rules, in the words of routes.toml:',
    '',
    rows.length === 0 ? 'nothing' : table.trimEnd(),
    '',
    NOTES[program],
    '"sallyport init" writes a first file; "sallyport help routes-and-rules" has all words.',
  ].join('\n')
}

/** The program that a file belongs to, and its settings; null for none of these programs. */
export async function seeOther({ text, path }: OldText): Promise<Other | null> {
  if (/\.(?:ya?ml|json)$/i.test(path) || /^(?:access_control|services|routes|policy)\s*:/m.test(text)) {
    const parsed = await parseYaml(text)
    const [first = null] = parsed.ok ? parsed.documents : []
    if (at(first, 'access_control') !== null) return { program: 'Authelia', rows: autheliaRows(first) }
    const pomerium = pomeriumRows(first)
    if (pomerium.length > 0) return { program: 'Pomerium', rows: pomerium }
    const services = parsed.ok ? parsed.documents.flatMap(servicesOf) : []
    const gate = (image: RegExp) => services.find(one => image.test(one.image))
    const [tinyauth, forward] = [gate(/(?:^|\/)tinyauth(?::|@|$)/), gate(/(?:^|\/)traefik-forward-auth(?::|@|$)/)]
    if (gate(/oauth2[-_]proxy/) !== undefined) return null
    if (tinyauth !== undefined) return { program: 'Tinyauth', rows: tinyauthRows(tinyauth.settings, services) }
    if (forward === undefined) return null
    return { program: 'traefik-forward-auth', rows: traefikForwardAuthRows(forward.settings, services) }
  }
  // `rule.1.action =` is the variable RULE_1_ACTION.
  const spelled = text.replace(/^\s*([\w.-]+)\s*=/gm, (_, name) => `${name.toUpperCase().replace(/[.-]/g, '_')}=`)
  const settings = settingsOf(readEnvFile(spelled, path))
  const names = [...settings.keys()]
  if (
    names.some(name => name.startsWith('TINYAUTH_')) ||
    (settings.has('APP_URL') && settings.has('OAUTH_WHITELIST'))
  ) {
    return { program: 'Tinyauth', rows: tinyauthRows(settings, []) }
  }
  if (!names.some(name => /^(?:PROVIDERS_(?:GOOGLE|OIDC|GENERIC_OAUTH)_|RULE_\w+_ACTION$)/.test(name))) return null
  return { program: 'traefik-forward-auth', rows: traefikForwardAuthRows(settings, []) }
}
