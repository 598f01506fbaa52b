/** The applications that have a recipe. */

import actual from '../../../docs/recipes/services/actual.toml' with { type: 'file' }
import alertmanager from '../../../docs/recipes/services/alertmanager.toml' with { type: 'file' }
import calibre from '../../../docs/recipes/services/calibre.toml' with { type: 'file' }
import cgit from '../../../docs/recipes/services/cgit.toml' with { type: 'file' }
import cockpit from '../../../docs/recipes/services/cockpit.toml' with { type: 'file' }
import codeServer from '../../../docs/recipes/services/code-server.toml' with { type: 'file' }
import deluge from '../../../docs/recipes/services/deluge.toml' with { type: 'file' }
import dockerRegistry from '../../../docs/recipes/services/docker-registry.toml' with { type: 'file' }
import fossil from '../../../docs/recipes/services/fossil.toml' with { type: 'file' }
import gitHttp from '../../../docs/recipes/services/git-http.toml' with { type: 'file' }
import gitea from '../../../docs/recipes/services/gitea.toml' with { type: 'file' }
import grafana from '../../../docs/recipes/services/grafana.toml' with { type: 'file' }
import homeAssistant from '../../../docs/recipes/services/home-assistant.toml' with { type: 'file' }
import icecast from '../../../docs/recipes/services/icecast.toml' with { type: 'file' }
import immich from '../../../docs/recipes/services/immich.toml' with { type: 'file' }
import jellyfin from '../../../docs/recipes/services/jellyfin.toml' with { type: 'file' }
import jupyter from '../../../docs/recipes/services/jupyter.toml' with { type: 'file' }
import n8n from '../../../docs/recipes/services/n8n.toml' with { type: 'file' }
import nextcloud from '../../../docs/recipes/services/nextcloud.toml' with { type: 'file' }
import nodeRed from '../../../docs/recipes/services/node-red.toml' with { type: 'file' }
import novnc from '../../../docs/recipes/services/novnc.toml' with { type: 'file' }
import paperlessNgx from '../../../docs/recipes/services/paperless-ngx.toml' with { type: 'file' }
import peerjs from '../../../docs/recipes/services/peerjs.toml' with { type: 'file' }
import phpmyadmin from '../../../docs/recipes/services/phpmyadmin.toml' with { type: 'file' }
import pocketId from '../../../docs/recipes/services/pocket-id.toml' with { type: 'file' }
import prometheus from '../../../docs/recipes/services/prometheus.toml' with { type: 'file' }
import qbittorrent from '../../../docs/recipes/services/qbittorrent.toml' with { type: 'file' }
import rabbitmq from '../../../docs/recipes/services/rabbitmq.toml' with { type: 'file' }
import radicale from '../../../docs/recipes/services/radicale.toml' with { type: 'file' }
import rclone from '../../../docs/recipes/services/rclone.toml' with { type: 'file' }
import shellinabox from '../../../docs/recipes/services/shellinabox.toml' with { type: 'file' }
import syncthing from '../../../docs/recipes/services/syncthing.toml' with { type: 'file' }
import transmission from '../../../docs/recipes/services/transmission.toml' with { type: 'file' }
import uptimeKuma from '../../../docs/recipes/services/uptime-kuma.toml' with { type: 'file' }
import vaultwarden from '../../../docs/recipes/services/vaultwarden.toml' with { type: 'file' }
import verdaccio from '../../../docs/recipes/services/verdaccio.toml' with { type: 'file' }
import vite from '../../../docs/recipes/services/vite.toml' with { type: 'file' }
import webdav from '../../../docs/recipes/services/webdav.toml' with { type: 'file' }

/** The recipes for applications, by name: the path by which each is read, within the executable or in a checkout. */
export const SERVICES: ReadonlyMap<string, string> = new Map([
  ['actual', actual],
  ['alertmanager', alertmanager],
  ['calibre', calibre],
  ['cgit', cgit],
  ['cockpit', cockpit],
  ['code-server', codeServer],
  ['deluge', deluge],
  ['docker-registry', dockerRegistry],
  ['fossil', fossil],
  ['git-http', gitHttp],
  ['gitea', gitea],
  ['grafana', grafana],
  ['home-assistant', homeAssistant],
  ['icecast', icecast],
  ['immich', immich],
  ['jellyfin', jellyfin],
  ['jupyter', jupyter],
  ['n8n', n8n],
  ['nextcloud', nextcloud],
  ['node-red', nodeRed],
  ['novnc', novnc],
  ['paperless-ngx', paperlessNgx],
  ['peerjs', peerjs],
  ['phpmyadmin', phpmyadmin],
  ['pocket-id', pocketId],
  ['prometheus', prometheus],
  ['qbittorrent', qbittorrent],
  ['rabbitmq', rabbitmq],
  ['radicale', radicale],
  ['rclone', rclone],
  ['shellinabox', shellinabox],
  ['syncthing', syncthing],
  ['transmission', transmission],
  ['uptime-kuma', uptimeKuma],
  ['vaultwarden', vaultwarden],
  ['verdaccio', verdaccio],
  ['vite', vite],
  ['webdav', webdav],
])
