import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestProvider } from '../../kit/provider/provider.ts'
import { type Child, PROXY_CORE, serving, startChild, untilAnswered } from '../process.ts'
import { type Front, type FrontName, frontOf, type Subject, subject, type Trust } from '../subject.ts'
import { signInBy } from './signed-in.ts'

const HOST = 'apache.localhost'
const MODULES = '/usr/lib/apache2/modules'
const NAMES =
  'mpm_event authn_core authz_core authz_user auth_openidc proxy proxy_http proxy_wstunnel ssl socache_shmcb headers'

/**
 * Apache with mod_auth_openidc: the peer that does what Sallyport does. It keeps sessions in shared memory, asks for a group,
 * and hands the claims on as fields. One process of the event model with threads enough for every connection that is
 * measured; no access log. Its sessions last for as long as the benchmark does, whatever is measured in between.
 */
export function apache(folder: string, fronts: readonly Front[], provider: TestProvider, trust: Trust): Subject {
  const cookies = new Map<FrontName, string>()
  const authority = (name: FrontName): string => `${HOST}:${frontOf(fronts, name).port}`

  async function launch(): Promise<Child> {
    const root = join(folder, 'apache')
    mkdirSync(root, { recursive: true })
    writeFileSync(join(root, 'httpd.conf'), configuration(root, fronts, provider, trust))
    const child = startChild(['apache2', '-d', root, '-f', 'httpd.conf', '-D', 'FOREGROUND'], { core: PROXY_CORE })
    return serving(child, async () => {
      for (const { name } of fronts) if (offers(name)) cookies.set(name, await signIn(name))
    })
  }

  async function signIn(name: FrontName): Promise<string> {
    const { port } = frontOf(fronts, name)
    provider.allowRedirect(`http://${authority(name)}/callback`)
    // Who names no media type is no browser, and not sent to sign in.
    await untilAnswered(port, authority(name), status => status === 401)
    return signInBy(`http://${authority(name)}/`, { [authority(name)]: `127.0.0.1:${port}` })
  }

  const way = (name: FrontName) => ({
    port: frontOf(fronts, name).port,
    headers: { host: authority(name), cookie: cookies.get(name) ?? '' },
  })
  return subject('apache', 'Apache, mod_auth_openidc', launch, way, offers, 'gate')
}

/** It signs in by plain HTTP alone here. */
function offers(name: FrontName): boolean {
  return name !== 'https'
}

function configuration(root: string, fronts: readonly Front[], provider: TestProvider, trust: Trust): string {
  const hosts = fronts
    .filter(({ name }) => offers(name))
    .map(({ name, port, upstream }) => {
      const to = name === 'secure' ? `https://${trust.serverName}` : 'http://127.0.0.1'
      return `
Listen 127.0.0.1:${port}
<VirtualHost 127.0.0.1:${port}>
  ServerName ${HOST}:${port}
  OIDCRedirectURI http://${HOST}:${port}/callback
  SSLProxyEngine ${name === 'secure' ? 'on' : 'off'}
  ProxyPass / ${to}:${upstream}/ ${name === 'echo' ? 'upgrade=websocket' : ''}
  <Location />
    AuthType openid-connect
    Require claim groups:users
  </Location>
</VirtualHost>`
    })
  return `
${NAMES.split(' ')
  .map(name => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`)
  .join('\n')}
ServerRoot ${root}
ServerName ${HOST}
User www-data
Group www-data
PidFile ${root}/pid
DefaultRuntimeDir ${root}
ErrorLog ${root}/error.log
LogLevel crit
ServerLimit 1
StartServers 1
ThreadLimit 400
ThreadsPerChild 400
MaxRequestWorkers 400
AsyncRequestWorkerFactor 64
MinSpareThreads 1
MaxSpareThreads 400
ListenBackLog 4096
Timeout 60
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 75
SSLProxyCACertificateFile ${trust.caFile}
SSLProxyVerify require
OIDCProviderMetadataURL ${provider.issuer}/.well-known/openid-configuration
OIDCClientID bench
OIDCClientSecret "benchmark secret"
OIDCCryptoPassphrase "a passphrase of the benchmark"
OIDCScope "openid profile email groups"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCSessionInactivityTimeout 86400
OIDCSessionMaxDuration 86400
${hosts.join('\n')}
`
}
