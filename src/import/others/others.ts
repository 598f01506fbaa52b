import { columns } from '../../console/columns.ts'
import type { OldText } from '../oauth2-proxy/reading.ts'
import { readEnvFile } from '../oauth2-proxy/reading.ts'
import { at, parseYaml, type Yaml } from '../yaml.ts'
import { autheliaRows } from './authelia.ts'
import { pomeriumRows } from './pomerium.ts'
import type { Row } from './row.ts'
import { settingsOfService, tinyauthRows, traefikForwardAuthRows } from './settings.ts'

/** A file of a program that is not imported, and what it says in our words. */
interface Other {
  readonly program: string
  readonly rows: readonly Row[]
  /** What is decided otherwise here than there. */
  readonly note: string
}

const FIRST_RULE = 'There the first rule that holds decides; here any rule of allow is enough, and deny outranks it.'
const BY_HOST = 'There an application is known by its labels; here each has a route.'

/** What is said of a file of another gate that is not imported; null where it is none of them. */
export async function tellOther(file: OldText): Promise<string | null> {
  const other = await seeOther(file)
  if (other === null) return null
  const { program, rows, note } = other
  const table = columns([['host', 'path', 'there', 'in routes.toml'], ...rows.map(Object.values)])
  return [
    `${file.shownAs} is a file of ${program}, which import does not read: nothing is written.`,
    'What it says of hosts and people, in the words of routes.toml:',
    '',
    rows.length === 0 ? 'nothing' : table.trimEnd(),
    '',
    note,
    '"sallyport init" writes a first file; "sallyport help routes-and-rules" has all words.',
  ].join('\n')
}

/** Which of these programs a file is of, and what it says; null for none. */
export async function seeOther({ text, path }: OldText): Promise<Other | null> {
  if (/\.(?:ya?ml|json)$/i.test(path) || /^(?:access_control|services|routes|policy)\s*:/m.test(text)) {
    const parsed = await parseYaml(text)
    return parsed.ok ? ofYaml(parsed.documents) : null
  }
  const settings = new Map(
    readEnvFile(text.replace(/^\s*([\w.-]+)\s*=/gm, spelled), path).map(one => [one.name, one.value]),
  )
  const names = [...settings.keys()]
  if (
    names.some(name => name.startsWith('TINYAUTH_')) ||
    (settings.has('APP_URL') && settings.has('OAUTH_WHITELIST'))
  ) {
    return { program: 'Tinyauth', rows: tinyauthRows(settings, []), note: BY_HOST }
  }
  if (names.some(name => /^(?:PROVIDERS_(?:GOOGLE|OIDC|GENERIC_OAUTH)_|RULE_\w+_ACTION$)/.test(name))) {
    return { program: 'traefik-forward-auth', rows: traefikForwardAuthRows(settings, []), note: BY_HOST }
  }
  return null
}

/** `rule.1.action =` and `rule.1.action=` as the variable of the same meaning. */
function spelled(_: string, name: string): string {
  return `${name.toUpperCase().replace(/[.-]/g, '_')}=`
}

function ofYaml(documents: readonly Yaml[]): Other | null {
  const [first = null] = documents
  if (at(first, 'access_control') !== null) {
    return { program: 'Authelia', rows: autheliaRows(first), note: FIRST_RULE }
  }
  const pomerium = pomeriumRows(first)
  if (pomerium !== null) {
    return {
      program: 'Pomerium',
      rows: pomerium,
      note: 'A route has one upstream, and its people sign in at a portal.',
    }
  }
  if (settingsOfService(first, /oauth2[-_]proxy/) !== null) return null
  const tinyauth = settingsOfService(first, /(?:^|\/)tinyauth(?::|@|$)/)
  if (tinyauth !== null) {
    return { program: 'Tinyauth', rows: tinyauthRows(tinyauth.settings, tinyauth.labels), note: BY_HOST }
  }
  const forward = settingsOfService(first, /(?:^|\/)traefik-forward-auth(?::|@|$)/)
  if (forward === null) return null
  return {
    program: 'traefik-forward-auth',
    rows: traefikForwardAuthRows(forward.settings, forward.labels),
    note: BY_HOST,
  }
}
