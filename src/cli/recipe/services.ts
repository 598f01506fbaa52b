/** The applications that have a recipe. */

import actual from '../../../docs/recipes/services/actual.toml' with { type: 'file' }
import alertmanager from '../../../docs/recipes/services/alertmanager.toml' with { type: 'file' }
import aria2 from '../../../docs/recipes/services/aria2.toml' with { type: 'file' }
import calibre from '../../../docs/recipes/services/calibre.toml' with { type: 'file' }
import calibreWeb from '../../../docs/recipes/services/calibre-web.toml' with { type: 'file' }
import cgit from '../../../docs/recipes/services/cgit.toml' with { type: 'file' }
import changedetection from '../../../docs/recipes/services/changedetection.toml' with { type: 'file' }
import cloudcmd from '../../../docs/recipes/services/cloudcmd.toml' with { type: 'file' }
import cockpit from '../../../docs/recipes/services/cockpit.toml' with { type: 'file' }
import codeServer from '../../../docs/recipes/services/code-server.toml' with { type: 'file' }
import crontabUi from '../../../docs/recipes/services/crontab-ui.toml' with { type: 'file' }
import datasette from '../../../docs/recipes/services/datasette.toml' with { type: 'file' }
import deluge from '../../../docs/recipes/services/deluge.toml' with { type: 'file' }
import dockerRegistry from '../../../docs/recipes/services/docker-registry.toml' with { type: 'file' }
import esphome from '../../../docs/recipes/services/esphome.toml' with { type: 'file' }
import fossil from '../../../docs/recipes/services/fossil.toml' with { type: 'file' }
import gitHttp from '../../../docs/recipes/services/git-http.toml' with { type: 'file' }
import gitea from '../../../docs/recipes/services/gitea.toml' with { type: 'file' }
import glances from '../../../docs/recipes/services/glances.toml' with { type: 'file' }
import gradio from '../../../docs/recipes/services/gradio.toml' with { type: 'file' }
import grafana from '../../../docs/recipes/services/grafana.toml' with { type: 'file' }
import homeAssistant from '../../../docs/recipes/services/home-assistant.toml' with { type: 'file' }
import homebridge from '../../../docs/recipes/services/homebridge.toml' with { type: 'file' }
import icecast from '../../../docs/recipes/services/icecast.toml' with { type: 'file' }
import immich from '../../../docs/recipes/services/immich.toml' with { type: 'file' }
import jellyfin from '../../../docs/recipes/services/jellyfin.toml' with { type: 'file' }
import jupyter from '../../../docs/recipes/services/jupyter.toml' with { type: 'file' }
import labelStudio from '../../../docs/recipes/services/label-studio.toml' with { type: 'file' }
import marimo from '../../../docs/recipes/services/marimo.toml' with { type: 'file' }
import miniflux from '../../../docs/recipes/services/miniflux.toml' with { type: 'file' }
import mlflow from '../../../docs/recipes/services/mlflow.toml' with { type: 'file' }
import mosquitto from '../../../docs/recipes/services/mosquitto.toml' with { type: 'file' }
import n8n from '../../../docs/recipes/services/n8n.toml' with { type: 'file' }
import netdata from '../../../docs/recipes/services/netdata.toml' with { type: 'file' }
import nextcloud from '../../../docs/recipes/services/nextcloud.toml' with { type: 'file' }
import nicegui from '../../../docs/recipes/services/nicegui.toml' with { type: 'file' }
import nodeRed from '../../../docs/recipes/services/node-red.toml' with { type: 'file' }
import novnc from '../../../docs/recipes/services/novnc.toml' with { type: 'file' }
import ntfy from '../../../docs/recipes/services/ntfy.toml' with { type: 'file' }
import octoprint from '../../../docs/recipes/services/octoprint.toml' with { type: 'file' }
import paperlessNgx from '../../../docs/recipes/services/paperless-ngx.toml' with { type: 'file' }
import peerjs from '../../../docs/recipes/services/peerjs.toml' with { type: 'file' }
import pgadmin from '../../../docs/recipes/services/pgadmin.toml' with { type: 'file' }
import phpmyadmin from '../../../docs/recipes/services/phpmyadmin.toml' with { type: 'file' }
import pocketId from '../../../docs/recipes/services/pocket-id.toml' with { type: 'file' }
import prometheus from '../../../docs/recipes/services/prometheus.toml' with { type: 'file' }
import qbittorrent from '../../../docs/recipes/services/qbittorrent.toml' with { type: 'file' }
import rabbitmq from '../../../docs/recipes/services/rabbitmq.toml' with { type: 'file' }
import radicale from '../../../docs/recipes/services/radicale.toml' with { type: 'file' }
import rclone from '../../../docs/recipes/services/rclone.toml' with { type: 'file' }
import redisCommander from '../../../docs/recipes/services/redis-commander.toml' with { type: 'file' }
import shellinabox from '../../../docs/recipes/services/shellinabox.toml' with { type: 'file' }
import streamlit from '../../../docs/recipes/services/streamlit.toml' with { type: 'file' }
import syncthing from '../../../docs/recipes/services/syncthing.toml' with { type: 'file' }
import transmission from '../../../docs/recipes/services/transmission.toml' with { type: 'file' }
import uptimeKuma from '../../../docs/recipes/services/uptime-kuma.toml' with { type: 'file' }
import vaultwarden from '../../../docs/recipes/services/vaultwarden.toml' with { type: 'file' }
import verdaccio from '../../../docs/recipes/services/verdaccio.toml' with { type: 'file' }
import vite from '../../../docs/recipes/services/vite.toml' with { type: 'file' }
import webdav from '../../../docs/recipes/services/webdav.toml' with { type: 'file' }
import wetty from '../../../docs/recipes/services/wetty.toml' with { type: 'file' }

/** The recipes for applications, by name: the path by which each is read, within the executable or in a checkout. */
export const SERVICES: ReadonlyMap<string, string> = new Map([
  ['actual', actual],
  ['alertmanager', alertmanager],
  ['aria2', aria2],
  ['calibre', calibre],
  ['calibre-web', calibreWeb],
  ['cgit', cgit],
  ['changedetection', changedetection],
  ['cloudcmd', cloudcmd],
  ['cockpit', cockpit],
  ['code-server', codeServer],
  ['crontab-ui', crontabUi],
  ['datasette', datasette],
  ['deluge', deluge],
  ['docker-registry', dockerRegistry],
  ['esphome', esphome],
  ['fossil', fossil],
  ['git-http', gitHttp],
  ['gitea', gitea],
  ['glances', glances],
  ['gradio', gradio],
  ['grafana', grafana],
  ['home-assistant', homeAssistant],
  ['homebridge', homebridge],
  ['icecast', icecast],
  ['immich', immich],
  ['jellyfin', jellyfin],
  ['jupyter', jupyter],
  ['label-studio', labelStudio],
  ['marimo', marimo],
  ['miniflux', miniflux],
  ['mlflow', mlflow],
  ['mosquitto', mosquitto],
  ['n8n', n8n],
  ['netdata', netdata],
  ['nextcloud', nextcloud],
  ['nicegui', nicegui],
  ['node-red', nodeRed],
  ['novnc', novnc],
  ['ntfy', ntfy],
  ['octoprint', octoprint],
  ['paperless-ngx', paperlessNgx],
  ['peerjs', peerjs],
  ['pgadmin', pgadmin],
  ['phpmyadmin', phpmyadmin],
  ['pocket-id', pocketId],
  ['prometheus', prometheus],
  ['qbittorrent', qbittorrent],
  ['rabbitmq', rabbitmq],
  ['radicale', radicale],
  ['rclone', rclone],
  ['redis-commander', redisCommander],
  ['shellinabox', shellinabox],
  ['streamlit', streamlit],
  ['syncthing', syncthing],
  ['transmission', transmission],
  ['uptime-kuma', uptimeKuma],
  ['vaultwarden', vaultwarden],
  ['verdaccio', verdaccio],
  ['vite', vite],
  ['webdav', webdav],
  ['wetty', wetty],
])
