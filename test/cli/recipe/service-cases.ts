/** What a recipe has to let through, as addresses with the method before them where that is not GET. */
export interface ServiceCase {
  /** Whoever asks, with nothing on. */
  readonly open: readonly string[]
  /** Whoever asks, once every choice is made. */
  readonly chosen: readonly string[]
  /** Nobody who is not signed in, whatever is chosen: what an application keeps behind its own sign-in, and its neighbours in name. */
  readonly closed: readonly string[]
  /** Where a token of ours is taken as printed. */
  readonly takesTokens?: true
  /** From where a choice lets in whoever asks. */
  readonly chosenFrom?: string
}

/** Recipes by name. A path with a dot segment or an escape in it is one that an application might read as another. */
export const SERVICE_CASES: Readonly<Record<string, ServiceCase>> = {
  actual: { open: [], chosen: [], closed: ['/', '/sync/sync', 'POST /account/login', '/sw.js', '/kcab.worker.js'] },
  alertmanager: {
    open: [],
    chosen: ['/-/healthy', '/-/ready'],
    closed: ['/', '/api/v2/alerts', 'POST /-/reload', '/metrics', '/-/healthy/../reload'],
  },
  calibre: {
    open: [],
    chosen: [],
    closed: ['/', '/opds', '/get/EPUB/1/books', 'POST /cdb/cmd/list/0', '/ajax/search'],
    takesTokens: true,
  },
  cgit: {
    open: [],
    chosen: ['/public/open.git/', '/public/open.git/info/refs', '/cgit-css/cgit.css'],
    closed: [
      '/',
      '/project.git/',
      '/project.git/info/refs',
      '/publicly/a.git/',
      '/public/%2e%2e/project.git/',
      'POST /public/open.git/git-receive-pack',
    ],
    takesTokens: true,
  },
  cockpit: { open: [], chosen: [], closed: ['/', '/cockpit/login', '/cockpit/socket', '/system', '/ping'] },
  'code-server': { open: [], chosen: [], closed: ['/', '/login', '/proxy/3000/', '/healthz', '/_static/x.js'] },
  deluge: { open: [], chosen: [], closed: ['/', 'POST /json', 'POST /upload', '/js/deluge-all.js'] },
  'docker-registry': {
    open: [],
    chosen: [],
    closed: ['/v2/', '/v2/_catalog', '/v2/ada/img/manifests/1', 'POST /v2/ada/img/blobs/uploads/'],
    takesTokens: true,
  },
  fossil: {
    open: [],
    chosen: [],
    closed: ['/', '/index', '/timeline', 'POST /xfer', '/login', '/setup'],
    takesTokens: true,
  },
  'git-http': {
    open: [],
    chosen: ['/public/a.git/info/refs', 'POST /public/a.git/git-upload-pack'],
    closed: [
      '/a.git/info/refs',
      'POST /a.git/git-upload-pack',
      'POST /public/a.git/git-receive-pack',
      '/public/a.git/HEAD',
      '/publicly/a.git/info/refs',
      '/public/%2e%2e/a.git/info/refs',
    ],
    takesTokens: true,
  },
  gitea: {
    open: [],
    chosen: ['/api/packages/ada/npm/x', '/v2/', 'POST /api/actions/runner.v1.RunnerService/Register'],
    closed: ['/', '/ada/project', '/ada/project.git/info/refs', '/api/v1/user', '/user/login', '/-/admin', '/v2'],
    takesTokens: true,
  },
  grafana: {
    open: [],
    chosen: ['/public-dashboards/abc', '/api/public/dashboards/abc', '/public/build/app.js'],
    closed: ['/', '/login', '/api/dashboards/home', '/api/publicly', '/metrics', '/api/health', '/public/../api/users'],
  },
  'home-assistant': {
    open: [],
    chosen: ['POST /api/webhook/abc', '/api/websocket', 'POST /auth/token'],
    closed: ['/', '/lovelace/0', '/config', '/local/secret.html', '/hassio/x', '/authentic'],
  },
  icecast: {
    open: [],
    chosen: ['/live', 'PUT /live'],
    closed: [
      '/',
      '/admin/',
      '/admin/metadata',
      '/status-json.xsl',
      '/other',
      '/live/../admin/',
      'POST /live',
      '/live2',
    ],
  },
  immich: { open: [], chosen: [], closed: ['/', '/share/abc', '/api/server/ping', '/photos'], takesTokens: true },
  jellyfin: {
    open: [],
    chosen: [],
    closed: ['/', '/web/', '/Users/Public', '/Videos/1/stream', '/socket'],
    chosenFrom: '192.168.1.7',
  },
  jupyter: { open: [], chosen: [], closed: ['/', '/api/contents', '/lab', '/terminals/websocket/1', '/static/x.js'] },
  n8n: {
    open: ['POST /webhook/abc', '/webhook-waiting/7', '/form/abc', 'POST /form-waiting/7'],
    chosen: ['POST /webhook-test/abc', '/form-test/abc', 'POST /mcp/abc'],
    closed: ['/', '/rest/workflows', '/webhook', '/webhooks/x', '/rest/login', '/webhook/../rest/users', '/metrics'],
  },
  nextcloud: {
    open: [],
    chosen: [
      'PROPFIND /remote.php/dav/files/ada/',
      'PUT /remote.php/dav/files/ada/a.txt',
      '/ocs/v2.php/cloud/capabilities',
      '/status.php',
      'POST /index.php/login/v2',
    ],
    closed: ['/', '/index.php/apps/files', '/apps/files/', '/login', '/index.php/login', '/settings/admin', '/s/abc'],
  },
  'node-red': {
    open: [],
    chosen: ['POST /hooks/door', '/hooks/'],
    closed: ['/', '/flows', 'POST /flows', '/nodes', '/comms', '/hooksy', '/hooks/../flows', '/hooks/%2e%2e/flows'],
  },
  novnc: { open: [], chosen: [], closed: ['/', '/vnc.html', '/websockify', '/app/ui.js'] },
  'paperless-ngx': {
    open: [],
    chosen: ['/share/abc'],
    closed: ['/', '/api/documents/', '/accounts/login/', '/admin/', 'POST /share/abc', '/shared'],
  },
  peerjs: { open: [], chosen: [], closed: ['/', '/peerjs', '/peerjs/id', '/peerjs/peers'] },
  phpmyadmin: {
    open: [],
    chosen: [],
    closed: ['/', '/index.php', 'POST /index.php', '/setup/', '/themes/pmahomme/css/theme.css'],
  },
  // It guards itself: whoever comes to sign in has no session here.
  'pocket-id': {
    open: ['/', '/authorize', 'POST /api/oidc/token', 'POST /api/webauthn/login/start'],
    chosen: [],
    closed: [],
  },
  prometheus: {
    open: [],
    chosen: ['/-/healthy', '/-/ready'],
    closed: ['/', '/graph', '/api/v1/query', 'POST /-/reload', 'POST /-/quit', '/metrics', '/-/healthy/../reload'],
  },
  qbittorrent: {
    open: [],
    chosen: [],
    closed: ['/', '/api/v2/app/version', 'POST /api/v2/auth/login', 'POST /api/v2/torrents/add'],
    takesTokens: true,
  },
  rabbitmq: { open: [], chosen: [], closed: ['/', '/api/queues', '/api/whoami', '/metrics', '/js/app.js'] },
  radicale: {
    open: [],
    chosen: [],
    closed: ['/', '/.web/', 'PROPFIND /ada/', '/.well-known/caldav'],
    takesTokens: true,
  },
  rclone: { open: [], chosen: [], closed: ['/', 'PROPFIND /', 'PUT /a.txt', 'COPY /a.txt'], takesTokens: true },
  shellinabox: { open: [], chosen: [], closed: ['/', 'POST /', '/ShellInABox.js', '/plain'] },
  syncthing: { open: [], chosen: [], closed: ['/', '/rest/system/config', '/meta.js', 'POST /rest/system/shutdown'] },
  transmission: {
    open: [],
    chosen: [],
    closed: ['/', '/transmission/web/', 'POST /transmission/rpc'],
    takesTokens: true,
  },
  'uptime-kuma': {
    open: [
      '/status/home',
      '/status',
      '/api/status-page/heartbeat/home',
      '/api/badge/1/status',
      '/assets/index.js',
      '/upload/logo1.png',
      '/icon.svg',
      '/manifest.json',
      '/api/push/abc?status=up',
      'POST /api/push/abc',
    ],
    chosen: ['/api/entry-page'],
    closed: [
      '/',
      '/dashboard',
      '/settings',
      '/socket.io/?EIO=4',
      '/metrics',
      '/serviceWorker.js',
      '/add',
      '/statuses',
      'POST /status/home',
      'POST /upload/x',
      '/status/../metrics',
      '/status/..%2fmetrics',
      '/api/push/../../metrics',
    ],
  },
  vaultwarden: {
    open: [
      '/api/config',
      'POST /identity/connect/token',
      '/notifications/hub',
      '/icons/example.com/icon.png',
      '/attachments/a/b?token=c',
      '/alive',
    ],
    chosen: ['/webauthn-connector.html', '/connectors/webauthn.js'],
    closed: [
      '/',
      '/app/main.js',
      '/admin',
      '/admin/users/overview',
      'POST /admin',
      '/api/../admin',
      '/api/%2e%2e/admin',
    ],
  },
  verdaccio: {
    open: [],
    chosen: [],
    closed: ['/', '/thing', 'PUT /thing', '/-/ping', '/-/v1/search', '/-/verdaccio/data/packages'],
    takesTokens: true,
  },
  vite: {
    open: [],
    chosen: [],
    closed: ['/', '/@vite/client', '/src/main.ts', '/@fs/etc/passwd', '/__open-in-editor'],
  },
  webdav: { open: [], chosen: [], closed: ['/', 'PROPFIND /', 'PUT /a.txt', 'MOVE /a.txt'], takesTokens: true },
}
