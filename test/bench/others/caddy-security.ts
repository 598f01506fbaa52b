import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProvider } from '../../kit/provider/provider.ts'
import { PROXY_CORE, startChild, untilAnswered } from '../process.ts'
import type { Front, Subject } from '../subject.ts'
import { signedIn } from './signed-in.ts'

const HOST = 'caddy-security.localhost'

/** A Caddy that was built with caddy-security: it signs in, asks for a role and hands the identity on. */
export function caddySecurity(
  program: string,
  folder: string,
  fronts: readonly Front[],
  provider: TestProvider,
): Subject {
  return signedIn(
    { name: 'caddy-security', label: 'Caddy, caddy-security', host: HOST, fronts },
    ({ port, upstream, authority }) => {
      const file = join(folder, 'Caddyfile.security')
      provider.allowRedirect(`http://${authority}/auth/oauth2/generic/authorization-code-callback`)
      writeFileSync(file, configuration(provider, authority, upstream))
      const child = startChild([program, 'run', '--config', file, '--adapter', 'caddyfile'], {
        core: PROXY_CORE,
        env: { HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      })
      return { child, isUp: () => untilAnswered(port, authority, status => status > 0) }
    },
  )
}

/** Its portal, on `/auth/*`, lets in who has a role of its own (`authp/…`) alone: for anybody else each session ends at once. */
function configuration({ issuer }: TestProvider, authority: string, upstream: number): string {
  return `{
  admin off
  auto_https off
  log {
    output discard
  }
  order authenticate before respond
  order authorize before basicauth
  security {
    oauth identity provider generic {
      realm generic
      driver generic
      client_id bench
      client_secret "benchmark secret"
      scopes openid email profile groups
      base_auth_url ${issuer}
      metadata_url ${issuer}/.well-known/openid-configuration
    }
    authentication portal bench {
      crypto default token lifetime 86400
      crypto key sign-verify 0123456789abcdef0123456789abcdef
      cookie insecure on
      enable identity provider generic
      transform user {
        match realm generic
        action add role authp/user
      }
    }
    authorization policy users {
      set auth url /auth/oauth2/generic
      crypto key verify 0123456789abcdef0123456789abcdef
      allow roles authp/user
      inject headers with claims
    }
  }
}
http://${authority} {
  bind 127.0.0.1
  @auth path /auth/*
  route @auth {
    authenticate with bench
  }
  route {
    authorize with users
    reverse_proxy 127.0.0.1:${upstream}
  }
}
`
}
