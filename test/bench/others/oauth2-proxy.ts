import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProvider } from '../../kit/provider/provider.ts'
import { type Child, PROXY_CORE, startChild, untilAnswered } from '../process.ts'
import type { Front, Subject } from '../subject.ts'
import { signedIn } from './signed-in.ts'

const HOST = 'oauth2-proxy.localhost'

export interface Oauth2ProxyPlace {
  readonly program: string
  readonly folder: string
  readonly provider: TestProvider
  readonly port: number
  /** Where it forwards to; `static://202` where it is asked alone. */
  readonly upstream: string
  /** The host by which browsers come, with a port. */
  readonly authority: string
}

/** oauth2-proxy with sessions in cookies, a group that is asked for, and no log of requests. */
export function oauth2Proxy(
  program: string,
  folder: string,
  fronts: readonly Front[],
  provider: TestProvider,
): Subject {
  return signedIn(
    { name: 'oauth2-proxy', label: 'oauth2-proxy', host: HOST, fronts },
    ({ port, upstream, authority }) => {
      const child = startOauth2Proxy({
        program,
        folder,
        provider,
        port,
        upstream: `http://127.0.0.1:${upstream}/`,
        authority,
      })
      return { child, isUp: () => untilAnswered(port, authority, status => status === 200, '/ping') }
    },
  )
}

export function startOauth2Proxy({ program, folder, provider, port, upstream, authority }: Oauth2ProxyPlace): Child {
  const file = join(folder, `oauth2-proxy-${port}.cfg`)
  provider.allowRedirect(`http://${authority}/oauth2/callback`)
  writeFileSync(
    file,
    `http_address = "127.0.0.1:${port}"
upstreams = ["${upstream}"]
provider = "oidc"
oidc_issuer_url = "${provider.issuer}"
client_id = "bench"
client_secret = "benchmark secret"
redirect_url = "http://${authority}/oauth2/callback"
scope = "openid profile email groups"
code_challenge_method = "S256"
cookie_secret = "sixteen by two: a bench's secret"
cookie_secure = false
email_domains = ["*"]
allowed_groups = ["users"]
skip_provider_button = true
reverse_proxy = true
set_xauthrequest = true
standard_logging = false
auth_logging = false
request_logging = false
`,
  )
  return startChild([program, '--config', file], { core: PROXY_CORE })
}
