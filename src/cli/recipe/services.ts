/** The applications that have a recipe. */

import cockpit from '../../../docs/recipes/services/cockpit.toml' with { type: 'file' }
import codeServer from '../../../docs/recipes/services/code-server.toml' with { type: 'file' }
import gitHttp from '../../../docs/recipes/services/git-http.toml' with { type: 'file' }
import gitea from '../../../docs/recipes/services/gitea.toml' with { type: 'file' }
import grafana from '../../../docs/recipes/services/grafana.toml' with { type: 'file' }
import homeAssistant from '../../../docs/recipes/services/home-assistant.toml' with { type: 'file' }
import immich from '../../../docs/recipes/services/immich.toml' with { type: 'file' }
import jellyfin from '../../../docs/recipes/services/jellyfin.toml' with { type: 'file' }
import jupyter from '../../../docs/recipes/services/jupyter.toml' with { type: 'file' }
import n8n from '../../../docs/recipes/services/n8n.toml' with { type: 'file' }
import nextcloud from '../../../docs/recipes/services/nextcloud.toml' with { type: 'file' }
import nodeRed from '../../../docs/recipes/services/node-red.toml' with { type: 'file' }
import paperlessNgx from '../../../docs/recipes/services/paperless-ngx.toml' with { type: 'file' }
import pocketId from '../../../docs/recipes/services/pocket-id.toml' with { type: 'file' }
import prometheus from '../../../docs/recipes/services/prometheus.toml' with { type: 'file' }
import radicale from '../../../docs/recipes/services/radicale.toml' with { type: 'file' }
import syncthing from '../../../docs/recipes/services/syncthing.toml' with { type: 'file' }
import transmission from '../../../docs/recipes/services/transmission.toml' with { type: 'file' }
import uptimeKuma from '../../../docs/recipes/services/uptime-kuma.toml' with { type: 'file' }
import vaultwarden from '../../../docs/recipes/services/vaultwarden.toml' with { type: 'file' }
import webdav from '../../../docs/recipes/services/webdav.toml' with { type: 'file' }

/** The recipes for applications, by name: the path by which each is read, within the executable or in a checkout. */
export const SERVICES: ReadonlyMap<string, string> = new Map([
  ['cockpit', cockpit],
  ['code-server', codeServer],
  ['git-http', gitHttp],
  ['gitea', gitea],
  ['grafana', grafana],
  ['home-assistant', homeAssistant],
  ['immich', immich],
  ['jellyfin', jellyfin],
  ['jupyter', jupyter],
  ['n8n', n8n],
  ['nextcloud', nextcloud],
  ['node-red', nodeRed],
  ['paperless-ngx', paperlessNgx],
  ['pocket-id', pocketId],
  ['prometheus', prometheus],
  ['radicale', radicale],
  ['syncthing', syncthing],
  ['transmission', transmission],
  ['uptime-kuma', uptimeKuma],
  ['vaultwarden', vaultwarden],
  ['webdav', webdav],
])
