import type { TellingApp } from '../applications/telling-app.ts'
import type { TestProvider } from '../provider/provider.ts'

/** The applications behind the proxy, each with a block of its own made from the recipe's one: their hosts by what they are for. */
export const HOSTS = {
  app: 'app.example.com',
  /** With a portal on the host itself. */
  own: 'own.example.com',
  /** For admins alone. */
  adm: 'adm.example.com',
  /** For everybody. */
  open: 'open.example.com',
  /** With an application that speaks HTTP/2 to whoever asks for it by Upgrade. */
  up: 'up.example.com',
} as const
export type Application = keyof typeof HOSTS

/** The file of Sallyport beside a recipe that runs. */
export function recipeRoutes(provider: TestProvider, app: TellingApp, portalUrl: string): string {
  const route = (application: Application, more: string) => {
    const portal = application === 'own' ? 'own' : 'home'
    return `[[routes]]\nhost = "${HOSTS[application]}"\nverify = true\nportal = "${portal}"\nheaders = "remote"\n${more}\n`
  }
  const portal = (name: string, more: string) =>
    `[portals.${name}]\nproviders = ["id"]\ninsecure_cookies = true\nadmin_role = "admin"\n${more}\n[portals.${name}.roles]\nuser = { groups = ["users"] }\nadmin = { groups = ["admins"] }\n`
  const site = (application: Application) => [
    route(application, 'allow = ["user"]\ntokens = true'),
    route(application, 'path = "/admin"\nallow = ["admin"]'),
    route(application, 'path = "/open"\nallow = "public"'),
    route(application, 'path = "/fresh"\nallow = [{ roles = ["user"], max_age = "1m" }]'),
    route(application, 'path = "/read"\nallow = ["user"]\nmethods = ["GET"]'),
    route(application, 'path = "/inner"\nallow = [{ networks = ["10.0.0.0/8"], anonymous = true }]'),
    route(application, 'path = "/cors"\nallow = ["user"]\ncors_preflight = true'),
  ]
  return [
    `[providers.id]\nissuer = "${provider.issuer}"\nclient_id = "gate"\nclient_secret = "gate-secret"\n`,
    portal('home', `url = "${portalUrl}"`),
    portal('own', ''),
    ...site('app'),
    ...site('own'),
    route('adm', 'allow = ["admin"]'),
    route('open', 'allow = "public"'),
    route('up', 'allow = ["user"]'),
    route('up', 'path = "/open"\nallow = "public"'),
    // What a proxy in front hands on to be carried here, if it does.
    `[[routes]]\nhost = "${HOSTS.app}"\npath = "/live"\nupstream = "http://127.0.0.1:${app.portOf('app')}"\nportal = "home"\nheaders = "remote"\nallow = ["user"]\n`,
    // Another proxy has what is behind this name, and asks about it too.
    `[[routes]]\nhost = "*.wide.example.com"\nverify = true\nallow = "public"\n`,
    '[[routes]]\nhost = "answered.example.com"\nrespond = { body = "ours" }\nallow = "public"\n',
  ].join('\n')
}
