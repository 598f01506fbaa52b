import type { DemoPlan } from './folder.ts'

/** The demo's addresses, as people type them. */
export interface DemoAddresses {
  readonly portal: string
  readonly app: string
  readonly admin: string
  readonly public: string
  readonly provider: string
  /** Where the demo service itself listens; nobody needs to open it. */
  readonly service: string
}

/** Every address follows from the ports: browsers take any name under `localhost` for this machine (RFC 6761 §6.3). */
export function demoAddresses(plan: Pick<DemoPlan, 'port' | 'providerPort' | 'servicePort'>): DemoAddresses {
  return {
    portal: `http://auth.localhost:${plan.port}`,
    app: `http://app.localhost:${plan.port}`,
    admin: `http://admin.localhost:${plan.port}`,
    public: `http://public.localhost:${plan.port}`,
    provider: `http://localhost:${plan.providerPort}`,
    service: `http://127.0.0.1:${plan.servicePort}`,
  }
}

export const DEMO_CLIENT_ID = 'sallyport-demo'

/** The routes.toml of a new demo. `hosts` are the loopback addresses that this machine has. */
export function demoConfig(plan: DemoPlan, hosts: readonly string[]): string {
  const at = demoAddresses(plan)
  const listen = hosts.map(host => `"${host.includes(':') ? `[${host}]` : host}:${plan.port}"`).join(', ')
  return `# The demo's routes.toml. Edit it and save: that is enough, and nobody is signed out.

[server]
listen = [${listen}]
access_log = false  # true: a line for every request

[sessions]
store = "sqlite:sallyport.db"

[providers.demo]  # a stand-in; yours would be Pocket ID, or any other OpenID provider
issuer = "${at.provider}"
client_id = "${DEMO_CLIENT_ID}"
client_secret = "${plan.clientSecret}"

[portals.home]
title = "Sallyport demo"
url = "${at.portal}"  # where people sign in
providers = ["demo"]
admin_role = "admin"  # sees who is in and who was turned away
insecure_cookies = true  # plain HTTP, on this machine only

[portals.home.roles]  # role = who has it
user = { groups = ["users"] }
admin = { groups = ["admins"] }

[[routes]]
host = "app.localhost"
upstream = "${at.service}"
portal = "home"
allow = ["user"]
headers = "x-token"  # tells the application who is asking
name = "Demo service"
app = { description = "For people with the role user" }

[[routes]]
host = "admin.localhost"
upstream = "${at.service}"
portal = "home"
allow = ["admin"]  # try ["user"]: save, and reload the page as Grace
headers = "x-token"
name = "Admin area"
app = { description = "For people with the role admin" }

[[routes]]
host = "public.localhost"
upstream = "${at.service}"
allow = "public"
`
}
