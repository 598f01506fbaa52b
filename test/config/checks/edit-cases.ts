import type { DiagnosticCode } from '../../../src/config/text/diagnostic.ts'

const portal = (name: string, lines: string) =>
  `[portals.${name}]\nproviders = ["id"]\nurl = "https://${name}.example.com"\n${lines}\nroles.user = { any = true }\n`
const route =
  '[[routes]]\nhost = "a.example.com"\nupstream = "http://app"\nportal = "work"\nallow = ["user"]\n' +
  '[[routes]]\nhost = "b.example.com"\nupstream = "http://app"\nportal = "home"\nallow = ["user"]\n'
const provider = '[providers.id]\nissuer = "https://id.example.com"\nclient_id = "gate"\n'

/** Nobody edits the file who would not be its admin. */
export const EDIT_CASES: readonly (readonly [code: DiagnosticCode, title: string, fragment: string])[] = [
  ['server.edit', 'that nobody may edit', `[server]\n«edit» = true\n${provider}${portal('home', '')}`],
  [
    'server.edit',
    'of several portals, each of whose admins would write for the others',
    `[server]\n«edit» = true\n${provider}${portal('home', 'admin_role = "user"')}${portal('work', '')}${route}`,
  ],
]
