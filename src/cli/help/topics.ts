/** The chapters and recipes that `sallyport help` can show. */

import asAService from '../../../docs/as-a-service.md' with { type: 'file' }
import behindAProxy from '../../../docs/behind-a-proxy.md' with { type: 'file' }
import contributing from '../../../docs/CONTRIBUTING.md' with { type: 'file' }
import compose from '../../../docs/compose.yaml' with { type: 'file' }
import errors from '../../../docs/errors.md' with { type: 'file' }
import gettingStarted from '../../../docs/getting-started.md' with { type: 'file' }
import https from '../../../docs/https.md' with { type: 'file' }
import identity from '../../../docs/identity.md' with { type: 'file' }
import keys from '../../../docs/keys.md' with { type: 'file' }
import kubernetesGateway from '../../../docs/kubernetes/gateway.yaml' with { type: 'file' }
import kubernetesIngress from '../../../docs/kubernetes/ingress.yaml' with { type: 'file' }
import kubernetesOne from '../../../docs/kubernetes/one.yaml' with { type: 'file' }
import kubernetesTwo from '../../../docs/kubernetes/two.yaml' with { type: 'file' }
import kubernetes from '../../../docs/kubernetes.md' with { type: 'file' }
import limits from '../../../docs/limits.md' with { type: 'file' }
import crowdsecParser from '../../../docs/logs/crowdsec-parser.yaml' with { type: 'file' }
import crowdsecScenario from '../../../docs/logs/crowdsec-scenario.yaml' with { type: 'file' }
import fail2banFilter from '../../../docs/logs/fail2ban-filter.conf' with { type: 'file' }
import fail2banJail from '../../../docs/logs/fail2ban-jail.conf' with { type: 'file' }
import logs from '../../../docs/logs.md' with { type: 'file' }
import mcp from '../../../docs/mcp.md' with { type: 'file' }
import metrics from '../../../docs/metrics.md' with { type: 'file' }
import alerts from '../../../docs/monitoring/alerts.yaml' with { type: 'file' }
import dashboard from '../../../docs/monitoring/grafana.json' with { type: 'file' }
import movingIn from '../../../docs/moving-in.md' with { type: 'file' }
import fromAuthelia from '../../../docs/moving-in-from-authelia.md' with { type: 'file' }
import fromCaddySecurity from '../../../docs/moving-in-from-caddy-security.md' with { type: 'file' }
import fromOauth2Proxy from '../../../docs/moving-in-from-oauth2-proxy.md' with { type: 'file' }
import fromOthers from '../../../docs/moving-in-from-others.md' with { type: 'file' }
import fromPomerium from '../../../docs/moving-in-from-pomerium.md' with { type: 'file' }
import fromTinyauth from '../../../docs/moving-in-from-tinyauth.md' with { type: 'file' }
import fromTraefikForwardAuth from '../../../docs/moving-in-from-traefik-forward-auth.md' with { type: 'file' }
import operations from '../../../docs/operations.md' with { type: 'file' }
import pages from '../../../docs/pages.md' with { type: 'file' }
import passkeys from '../../../docs/passkeys.md' with { type: 'file' }
import performance from '../../../docs/performance.md' with { type: 'file' }
import pocketId from '../../../docs/pocket-id.md' with { type: 'file' }
import providers from '../../../docs/providers.md' with { type: 'file' }
import caddyfile from '../../../docs/recipes/Caddyfile' with { type: 'file' }
import envoy from '../../../docs/recipes/envoy.yaml' with { type: 'file' }
import envoyGateway from '../../../docs/recipes/envoy-gateway.yaml' with { type: 'file' }
import haproxy from '../../../docs/recipes/haproxy.cfg' with { type: 'file' }
import haproxyLua from '../../../docs/recipes/haproxy-sallyport.lua' with { type: 'file' }
import ingressNginx from '../../../docs/recipes/ingress-nginx.yaml' with { type: 'file' }
import istio from '../../../docs/recipes/istio.yaml' with { type: 'file' }
import nginx from '../../../docs/recipes/nginx.conf' with { type: 'file' }
import traefik from '../../../docs/recipes/traefik.yaml' with { type: 'file' }
import traefikCompose from '../../../docs/recipes/traefik-compose.yaml' with { type: 'file' }
import traefikCrd from '../../../docs/recipes/traefik-crd.yaml' with { type: 'file' }
import recipes from '../../../docs/recipes.md' with { type: 'file' }
import routesAndRules from '../../../docs/routes-and-rules.md' with { type: 'file' }
import security from '../../../docs/SECURITY.md' with { type: 'file' }
import signingIn from '../../../docs/signing-in.md' with { type: 'file' }
import stability from '../../../docs/stability.md' with { type: 'file' }
import tokensAndGuests from '../../../docs/tokens-and-guests.md' with { type: 'file' }
import traces from '../../../docs/traces.md' with { type: 'file' }
import upstreams from '../../../docs/upstreams.md' with { type: 'file' }

import { SERVICES } from '../recipe/services.ts'

/** A chapter of the documentation, as `sallyport help` names it. */
export interface Topic {
  readonly name: string
  /** What is in it, for a list. */
  readonly about: string
  /** Where its Markdown is read. */
  readonly path: string
}

/** All chapters, in the order of the README. They are files within the executable, of which nothing is read before it is asked for. */
export const TOPICS: readonly Topic[] = [
  { name: 'getting-started', about: 'the first application, an admin path, HTTPS, a provider', path: gettingStarted },
  {
    name: 'routes-and-rules',
    about: 'hosts and paths, roles, allow and deny, answers of its own',
    path: routesAndRules,
  },
  { name: 'signing-in', about: 'registering, how a sign-in lasts and ends, expired forms', path: signingIn },
  { name: 'passkeys', about: 'for users of a file: invitations, sign-in without passwords', path: passkeys },
  { name: 'pocket-id', about: 'a client in three commands, and all about Pocket ID', path: pocketId },
  { name: 'providers', about: 'what each provider needs, GitHub and Discord', path: providers },
  { name: 'identity', about: 'identity fields, signed assertions, the provider’s tokens', path: identity },
  {
    name: 'tokens-and-guests',
    about: 'API tokens, htpasswd, guest links, asking for access',
    path: tokensAndGuests,
  },
  { name: 'mcp', about: 'tokens for clients of an MCP server, in one line', path: mcp },
  { name: 'upstreams', about: 'balancing, TLS, rewrites, WebDAV, WebSockets, bounds', path: upstreams },
  { name: 'pages', about: 'the list of applications, the admin page, your own look', path: pages },
  { name: 'https', about: 'certificates from files or by ACME, renewals, low ports', path: https },
  { name: 'behind-a-proxy', about: 'forward auth for nginx, Caddy, HAProxy, Traefik, Envoy', path: behindAProxy },
  { name: 'recipes', about: 'routes for well-known applications, files for proxies', path: recipes },
  { name: 'moving-in', about: 'sallyport import, and the words that you know from nginx', path: movingIn },
  {
    name: 'moving-in-from-oauth2-proxy',
    about: 'one set-up from first to last line, and the way back',
    path: fromOauth2Proxy,
  },
  { name: 'moving-in-from-caddy-security', about: 'the same for Caddy', path: fromCaddySecurity },
  { name: 'moving-in-from-tinyauth', about: 'its words and ours, and what its users ask', path: fromTinyauth },
  { name: 'moving-in-from-authelia', about: 'the same for Authelia', path: fromAuthelia },
  {
    name: 'moving-in-from-traefik-forward-auth',
    about: 'the same for traefik-forward-auth',
    path: fromTraefikForwardAuth,
  },
  { name: 'moving-in-from-pomerium', about: 'the same for Pomerium', path: fromPomerium },
  { name: 'moving-in-from-others', about: 'what users of other gates ask most', path: fromOthers },
  { name: 'operations', about: 'when something is wrong, secrets, backups, many machines', path: operations },
  { name: 'logs', about: 'what a line says, formats, files, fail2ban, CrowdSec', path: logs },
  { name: 'traces', about: 'OpenTelemetry: spans, sampling, whose traces are continued', path: traces },
  { name: 'as-a-service', about: 'systemd, and a new version without an outage', path: asAService },
  { name: 'kubernetes', about: 'one gate with SQLite, two with Valkey, Ingress, Gateway API', path: kubernetes },
  { name: 'keys', about: 'the reference of routes.toml', path: keys },
  { name: 'errors', about: 'every code in the log and in answers, and what to do', path: errors },
  { name: 'metrics', about: 'what /metrics and /status.json say', path: metrics },
  { name: 'stability', about: 'what is promised, and how a change is announced', path: stability },
  { name: 'limits', about: 'what does not work, and why', path: limits },
  { name: 'performance', about: 'what was measured, beside other proxies', path: performance },
  { name: 'security', about: 'what it protects from, and how to report a weakness', path: security },
  { name: 'contributing', about: 'the one gate, how a change looks, where tests go', path: contributing },
]

/** The files that chapters lead to, by their links: shown as they are, to be written to a file. */
export const RECIPES: ReadonlyMap<string, string> = new Map([
  ['compose.yaml', compose],
  ['monitoring/alerts.yaml', alerts],
  ['monitoring/grafana.json', dashboard],
  ['recipes/nginx.conf', nginx],
  ['recipes/Caddyfile', caddyfile],
  ['recipes/haproxy.cfg', haproxy],
  ['recipes/haproxy-sallyport.lua', haproxyLua],
  ['recipes/ingress-nginx.yaml', ingressNginx],
  ['recipes/traefik.yaml', traefik],
  ['recipes/traefik-compose.yaml', traefikCompose],
  ['recipes/envoy.yaml', envoy],
  ['recipes/envoy-gateway.yaml', envoyGateway],
  ['recipes/istio.yaml', istio],
  ['recipes/traefik-crd.yaml', traefikCrd],
  ['kubernetes/one.yaml', kubernetesOne],
  ['kubernetes/two.yaml', kubernetesTwo],
  ['kubernetes/ingress.yaml', kubernetesIngress],
  ['kubernetes/gateway.yaml', kubernetesGateway],
  ['logs/fail2ban-filter.conf', fail2banFilter],
  ['logs/fail2ban-jail.conf', fail2banJail],
  ['logs/crowdsec-parser.yaml', crowdsecParser],
  ['logs/crowdsec-scenario.yaml', crowdsecScenario],
  ...[...SERVICES].map(([name, path]) => [`recipes/services/${name}.toml`, path] as const),
])
