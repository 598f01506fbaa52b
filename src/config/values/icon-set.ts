/**
 * The icons that a file can name: those of applications that many people run, of simple-icons (CC0). A trademark stays its owner's.
 *
 * Each has the colour that its owner gives it; the set is what the executable holds, and no page asks another machine for one.
 */
import actualbudget from 'simple-icons/icons/actualbudget.svg' with { type: 'text' }
import adguard from 'simple-icons/icons/adguard.svg' with { type: 'text' }
import ansible from 'simple-icons/icons/ansible.svg' with { type: 'text' }
import apacheguacamole from 'simple-icons/icons/apacheguacamole.svg' with { type: 'text' }
import apple from 'simple-icons/icons/apple.svg' with { type: 'text' }
import audiobookshelf from 'simple-icons/icons/audiobookshelf.svg' with { type: 'text' }
import auth0 from 'simple-icons/icons/auth0.svg' with { type: 'text' }
import authelia from 'simple-icons/icons/authelia.svg' with { type: 'text' }
import authentik from 'simple-icons/icons/authentik.svg' with { type: 'text' }
import baserow from 'simple-icons/icons/baserow.svg' with { type: 'text' }
import bitwarden from 'simple-icons/icons/bitwarden.svg' with { type: 'text' }
import bookstack from 'simple-icons/icons/bookstack.svg' with { type: 'text' }
import caddy from 'simple-icons/icons/caddy.svg' with { type: 'text' }
import calibreweb from 'simple-icons/icons/calibreweb.svg' with { type: 'text' }
import changedetection from 'simple-icons/icons/changedetection.svg' with { type: 'text' }
import cockpit from 'simple-icons/icons/cockpit.svg' with { type: 'text' }
import coder from 'simple-icons/icons/coder.svg' with { type: 'text' }
import deluge from 'simple-icons/icons/deluge.svg' with { type: 'text' }
import directus from 'simple-icons/icons/directus.svg' with { type: 'text' }
import discord from 'simple-icons/icons/discord.svg' with { type: 'text' }
import discourse from 'simple-icons/icons/discourse.svg' with { type: 'text' }
import docker from 'simple-icons/icons/docker.svg' with { type: 'text' }
import drone from 'simple-icons/icons/drone.svg' with { type: 'text' }
import duplicati from 'simple-icons/icons/duplicati.svg' with { type: 'text' }
import elasticsearch from 'simple-icons/icons/elasticsearch.svg' with { type: 'text' }
import emby from 'simple-icons/icons/emby.svg' with { type: 'text' }
import esphome from 'simple-icons/icons/esphome.svg' with { type: 'text' }
import excalidraw from 'simple-icons/icons/excalidraw.svg' with { type: 'text' }
import firefox from 'simple-icons/icons/firefox.svg' with { type: 'text' }
import forgejo from 'simple-icons/icons/forgejo.svg' with { type: 'text' }
import freshrss from 'simple-icons/icons/freshrss.svg' with { type: 'text' }
import frigate from 'simple-icons/icons/frigate.svg' with { type: 'text' }
import ghost from 'simple-icons/icons/ghost.svg' with { type: 'text' }
import git from 'simple-icons/icons/git.svg' with { type: 'text' }
import gitea from 'simple-icons/icons/gitea.svg' with { type: 'text' }
import github from 'simple-icons/icons/github.svg' with { type: 'text' }
import gitlab from 'simple-icons/icons/gitlab.svg' with { type: 'text' }
import google from 'simple-icons/icons/google.svg' with { type: 'text' }
import grafana from 'simple-icons/icons/grafana.svg' with { type: 'text' }
import grocy from 'simple-icons/icons/grocy.svg' with { type: 'text' }
import harbor from 'simple-icons/icons/harbor.svg' with { type: 'text' }
import hedgedoc from 'simple-icons/icons/hedgedoc.svg' with { type: 'text' }
import homeassistant from 'simple-icons/icons/homeassistant.svg' with { type: 'text' }
import homebridge from 'simple-icons/icons/homebridge.svg' with { type: 'text' }
import homepage from 'simple-icons/icons/homepage.svg' with { type: 'text' }
import icinga from 'simple-icons/icons/icinga.svg' with { type: 'text' }
import immich from 'simple-icons/icons/immich.svg' with { type: 'text' }
import influxdb from 'simple-icons/icons/influxdb.svg' with { type: 'text' }
import invoiceninja from 'simple-icons/icons/invoiceninja.svg' with { type: 'text' }
import jellyfin from 'simple-icons/icons/jellyfin.svg' with { type: 'text' }
import jenkins from 'simple-icons/icons/jenkins.svg' with { type: 'text' }
import jetbrains from 'simple-icons/icons/jetbrains.svg' with { type: 'text' }
import jitsi from 'simple-icons/icons/jitsi.svg' with { type: 'text' }
import joplin from 'simple-icons/icons/joplin.svg' with { type: 'text' }
import jupyter from 'simple-icons/icons/jupyter.svg' with { type: 'text' }
import keycloak from 'simple-icons/icons/keycloak.svg' with { type: 'text' }
import kibana from 'simple-icons/icons/kibana.svg' with { type: 'text' }
import kodi from 'simple-icons/icons/kodi.svg' with { type: 'text' }
import kubernetes from 'simple-icons/icons/kubernetes.svg' with { type: 'text' }
import listmonk from 'simple-icons/icons/listmonk.svg' with { type: 'text' }
import matomo from 'simple-icons/icons/matomo.svg' with { type: 'text' }
import matrix from 'simple-icons/icons/matrix.svg' with { type: 'text' }
import mattermost from 'simple-icons/icons/mattermost.svg' with { type: 'text' }
import mealie from 'simple-icons/icons/mealie.svg' with { type: 'text' }
import meilisearch from 'simple-icons/icons/meilisearch.svg' with { type: 'text' }
import metabase from 'simple-icons/icons/metabase.svg' with { type: 'text' }
import minio from 'simple-icons/icons/minio.svg' with { type: 'text' }
import n8n from 'simple-icons/icons/n8n.svg' with { type: 'text' }
import netdata from 'simple-icons/icons/netdata.svg' with { type: 'text' }
import nextcloud from 'simple-icons/icons/nextcloud.svg' with { type: 'text' }
import nodered from 'simple-icons/icons/nodered.svg' with { type: 'text' }
import ntfy from 'simple-icons/icons/ntfy.svg' with { type: 'text' }
import octoprint from 'simple-icons/icons/octoprint.svg' with { type: 'text' }
import odoo from 'simple-icons/icons/odoo.svg' with { type: 'text' }
import okta from 'simple-icons/icons/okta.svg' with { type: 'text' }
import ollama from 'simple-icons/icons/ollama.svg' with { type: 'text' }
import onlyoffice from 'simple-icons/icons/onlyoffice.svg' with { type: 'text' }
import openmediavault from 'simple-icons/icons/openmediavault.svg' with { type: 'text' }
import openproject from 'simple-icons/icons/openproject.svg' with { type: 'text' }
import openwrt from 'simple-icons/icons/openwrt.svg' with { type: 'text' }
import opnsense from 'simple-icons/icons/opnsense.svg' with { type: 'text' }
import outline from 'simple-icons/icons/outline.svg' with { type: 'text' }
import owncloud from 'simple-icons/icons/owncloud.svg' with { type: 'text' }
import paperlessngx from 'simple-icons/icons/paperlessngx.svg' with { type: 'text' }
import peertube from 'simple-icons/icons/peertube.svg' with { type: 'text' }
import penpot from 'simple-icons/icons/penpot.svg' with { type: 'text' }
import pfsense from 'simple-icons/icons/pfsense.svg' with { type: 'text' }
import phpmyadmin from 'simple-icons/icons/phpmyadmin.svg' with { type: 'text' }
import pihole from 'simple-icons/icons/pihole.svg' with { type: 'text' }
import piwigo from 'simple-icons/icons/piwigo.svg' with { type: 'text' }
import plausibleanalytics from 'simple-icons/icons/plausibleanalytics.svg' with { type: 'text' }
import plex from 'simple-icons/icons/plex.svg' with { type: 'text' }
import portainer from 'simple-icons/icons/portainer.svg' with { type: 'text' }
import postgresql from 'simple-icons/icons/postgresql.svg' with { type: 'text' }
import prometheus from 'simple-icons/icons/prometheus.svg' with { type: 'text' }
import proxmox from 'simple-icons/icons/proxmox.svg' with { type: 'text' }
import qbittorrent from 'simple-icons/icons/qbittorrent.svg' with { type: 'text' }
import rabbitmq from 'simple-icons/icons/rabbitmq.svg' with { type: 'text' }
import radarr from 'simple-icons/icons/radarr.svg' with { type: 'text' }
import redis from 'simple-icons/icons/redis.svg' with { type: 'text' }
import redmine from 'simple-icons/icons/redmine.svg' with { type: 'text' }
import rocketdotchat from 'simple-icons/icons/rocketdotchat.svg' with { type: 'text' }
import roundcube from 'simple-icons/icons/roundcube.svg' with { type: 'text' }
import rss from 'simple-icons/icons/rss.svg' with { type: 'text' }
import seafile from 'simple-icons/icons/seafile.svg' with { type: 'text' }
import searxng from 'simple-icons/icons/searxng.svg' with { type: 'text' }
import sentry from 'simple-icons/icons/sentry.svg' with { type: 'text' }
import sonarr from 'simple-icons/icons/sonarr.svg' with { type: 'text' }
import stremio from 'simple-icons/icons/stremio.svg' with { type: 'text' }
import syncthing from 'simple-icons/icons/syncthing.svg' with { type: 'text' }
import synology from 'simple-icons/icons/synology.svg' with { type: 'text' }
import tailscale from 'simple-icons/icons/tailscale.svg' with { type: 'text' }
import traefikproxy from 'simple-icons/icons/traefikproxy.svg' with { type: 'text' }
import transmission from 'simple-icons/icons/transmission.svg' with { type: 'text' }
import trilium from 'simple-icons/icons/trilium.svg' with { type: 'text' }
import truenas from 'simple-icons/icons/truenas.svg' with { type: 'text' }
import umami from 'simple-icons/icons/umami.svg' with { type: 'text' }
import unraid from 'simple-icons/icons/unraid.svg' with { type: 'text' }
import uptimekuma from 'simple-icons/icons/uptimekuma.svg' with { type: 'text' }
import vault from 'simple-icons/icons/vault.svg' with { type: 'text' }
import vaultwarden from 'simple-icons/icons/vaultwarden.svg' with { type: 'text' }
import verdaccio from 'simple-icons/icons/verdaccio.svg' with { type: 'text' }
import vikunja from 'simple-icons/icons/vikunja.svg' with { type: 'text' }
import vscodium from 'simple-icons/icons/vscodium.svg' with { type: 'text' }
import wallabag from 'simple-icons/icons/wallabag.svg' with { type: 'text' }
import wikidotjs from 'simple-icons/icons/wikidotjs.svg' with { type: 'text' }
import wireguard from 'simple-icons/icons/wireguard.svg' with { type: 'text' }
import wordpress from 'simple-icons/icons/wordpress.svg' with { type: 'text' }
import zigbee2mqtt from 'simple-icons/icons/zigbee2mqtt.svg' with { type: 'text' }
import zulip from 'simple-icons/icons/zulip.svg' with { type: 'text' }
import { contrastOf } from './colour.ts'

/** By their names there: the drawing, on a square of 24, and the colour. */
const ICONS: Readonly<Record<string, readonly [svg: string, colour: string]>> = {
  actualbudget: [actualbudget, '#6b46c1'],
  adguard: [adguard, '#68bc71'],
  ansible: [ansible, '#ee0000'],
  apacheguacamole: [apacheguacamole, '#578b34'],
  apple: [apple, '#000000'],
  audiobookshelf: [audiobookshelf, '#82612c'],
  auth0: [auth0, '#eb5424'],
  authelia: [authelia, '#113155'],
  authentik: [authentik, '#fd4b2d'],
  baserow: [baserow, '#5190ef'],
  bitwarden: [bitwarden, '#175ddc'],
  bookstack: [bookstack, '#0288d1'],
  caddy: [caddy, '#1f88c0'],
  calibreweb: [calibreweb, '#45b29d'],
  changedetection: [changedetection, '#3056d3'],
  cockpit: [cockpit, '#2a7ae2'],
  coder: [coder, '#090b0b'],
  deluge: [deluge, '#094491'],
  directus: [directus, '#263238'],
  discord: [discord, '#5865f2'],
  discourse: [discourse, '#000000'],
  docker: [docker, '#2496ed'],
  drone: [drone, '#212121'],
  duplicati: [duplicati, '#1e3a8a'],
  elasticsearch: [elasticsearch, '#005571'],
  emby: [emby, '#52b54b'],
  esphome: [esphome, '#18bcf2'],
  excalidraw: [excalidraw, '#6965db'],
  firefox: [firefox, '#ff7139'],
  forgejo: [forgejo, '#fb923c'],
  freshrss: [freshrss, '#0062be'],
  frigate: [frigate, '#000000'],
  ghost: [ghost, '#15171a'],
  git: [git, '#f03c2e'],
  gitea: [gitea, '#609926'],
  github: [github, '#181717'],
  gitlab: [gitlab, '#fc6d26'],
  google: [google, '#4285f4'],
  grafana: [grafana, '#f46800'],
  grocy: [grocy, '#337ab7'],
  harbor: [harbor, '#60b932'],
  hedgedoc: [hedgedoc, '#b51f08'],
  homeassistant: [homeassistant, '#18bcf2'],
  homebridge: [homebridge, '#491f59'],
  homepage: [homepage, '#009bd5'],
  icinga: [icinga, '#06062c'],
  immich: [immich, '#4250af'],
  influxdb: [influxdb, '#22adf6'],
  invoiceninja: [invoiceninja, '#000000'],
  jellyfin: [jellyfin, '#00a4dc'],
  jenkins: [jenkins, '#d24939'],
  jetbrains: [jetbrains, '#000000'],
  jitsi: [jitsi, '#97979a'],
  joplin: [joplin, '#1071d3'],
  jupyter: [jupyter, '#f37626'],
  keycloak: [keycloak, '#4d4d4d'],
  kibana: [kibana, '#005571'],
  kodi: [kodi, '#17b2e7'],
  kubernetes: [kubernetes, '#326ce5'],
  listmonk: [listmonk, '#0055d4'],
  matomo: [matomo, '#3152a0'],
  matrix: [matrix, '#000000'],
  mattermost: [mattermost, '#0058cc'],
  mealie: [mealie, '#e58325'],
  meilisearch: [meilisearch, '#ff5caa'],
  metabase: [metabase, '#509ee3'],
  minio: [minio, '#c72e49'],
  n8n: [n8n, '#ff91ac'],
  netdata: [netdata, '#00ab44'],
  nextcloud: [nextcloud, '#0082c9'],
  nodered: [nodered, '#8f0000'],
  ntfy: [ntfy, '#317f6f'],
  octoprint: [octoprint, '#13c100'],
  odoo: [odoo, '#714b67'],
  okta: [okta, '#007dc1'],
  ollama: [ollama, '#000000'],
  onlyoffice: [onlyoffice, '#444444'],
  openmediavault: [openmediavault, '#5dacdf'],
  openproject: [openproject, '#0770b8'],
  openwrt: [openwrt, '#00b5e2'],
  opnsense: [opnsense, '#e44a20'],
  outline: [outline, '#000000'],
  owncloud: [owncloud, '#041e42'],
  paperlessngx: [paperlessngx, '#17541f'],
  peertube: [peertube, '#f1680d'],
  penpot: [penpot, '#000000'],
  pfsense: [pfsense, '#212121'],
  phpmyadmin: [phpmyadmin, '#6c78af'],
  pihole: [pihole, '#96060c'],
  piwigo: [piwigo, '#ff7700'],
  plausibleanalytics: [plausibleanalytics, '#5850ec'],
  plex: [plex, '#ebaf00'],
  portainer: [portainer, '#13bef9'],
  postgresql: [postgresql, '#4169e1'],
  prometheus: [prometheus, '#e6522c'],
  proxmox: [proxmox, '#e57000'],
  qbittorrent: [qbittorrent, '#2f67ba'],
  rabbitmq: [rabbitmq, '#ff6600'],
  radarr: [radarr, '#ffcb3d'],
  redis: [redis, '#ff4438'],
  redmine: [redmine, '#b32024'],
  rocketdotchat: [rocketdotchat, '#f5455c'],
  roundcube: [roundcube, '#37beff'],
  rss: [rss, '#ffa500'],
  seafile: [seafile, '#ff9800'],
  searxng: [searxng, '#3050ff'],
  sentry: [sentry, '#362d59'],
  sonarr: [sonarr, '#2596be'],
  stremio: [stremio, '#685cee'],
  syncthing: [syncthing, '#0891d1'],
  synology: [synology, '#b5b5b6'],
  tailscale: [tailscale, '#242424'],
  traefikproxy: [traefikproxy, '#24a1c1'],
  transmission: [transmission, '#d70008'],
  trilium: [trilium, '#000000'],
  truenas: [truenas, '#0095d5'],
  umami: [umami, '#000000'],
  unraid: [unraid, '#f15a2c'],
  uptimekuma: [uptimekuma, '#5cdd8b'],
  vault: [vault, '#ffec6e'],
  vaultwarden: [vaultwarden, '#000000'],
  verdaccio: [verdaccio, '#4b5e40'],
  vikunja: [vikunja, '#196aff'],
  vscodium: [vscodium, '#2f80ed'],
  wallabag: [wallabag, '#3f6184'],
  wikidotjs: [wikidotjs, '#1976d2'],
  wireguard: [wireguard, '#88171a'],
  wordpress: [wordpress, '#21759b'],
  zigbee2mqtt: [zigbee2mqtt, '#ffc135'],
  zulip: [zulip, '#6492fe'],
}

/** Every name, as people read it. */
export const ICON_NAMES: readonly string[] = Object.keys(ICONS)

/** How a name is looked for: `home-assistant` and `Home Assistant` are `homeassistant`. */
function normalised(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** Whether a text of the file is a name, and no path: those have an ending or a folder. */
export function isIconName(text: string): boolean {
  return !/[./\\]/.test(text)
}

/** The drawing of a name: what a `path` element draws on a square of 24, and its colour; null for a name that is not there. */
export function findGlyph(name: string): { readonly path: string; readonly colour: string } | null {
  const key = normalised(name)
  const [svg, colour] = Object.hasOwn(ICONS, key) ? (ICONS[key] ?? []) : []
  const path = svg === undefined ? undefined : /<path d="([^"]+)"/.exec(svg)?.[1]
  return path === undefined || colour === undefined ? null : { path, colour }
}

/** The same as a whole SVG: a tile in its colour, the drawing in white, or dark where white could not be seen. */
export function findIcon(name: string): string | null {
  const glyph = findGlyph(name)
  if (glyph === null) return null
  const ink = contrastOf(glyph.colour, '#ffffff') < LEAST_ON_TILE ? '#1f2428' : '#ffffff'
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 56 56"><rect width="56" height="56" rx="14" fill="${glyph.colour}"/><path transform="translate(13 13) scale(1.25)" fill="${ink}" d="${glyph.path}"/></svg>`
}

/** Below this, white on a tile is only guessed at. */
const LEAST_ON_TILE = 2
