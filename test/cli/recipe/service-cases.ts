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
  cockpit: { open: [], chosen: [], closed: ['/', '/cockpit/login', '/cockpit/socket', '/system', '/ping'] },
  'code-server': { open: [], chosen: [], closed: ['/', '/login', '/proxy/3000/', '/healthz', '/_static/x.js'] },
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
  'paperless-ngx': {
    open: [],
    chosen: ['/share/abc'],
    closed: ['/', '/api/documents/', '/accounts/login/', '/admin/', 'POST /share/abc', '/shared'],
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
  radicale: {
    open: [],
    chosen: [],
    closed: ['/', '/.web/', 'PROPFIND /ada/', '/.well-known/caldav'],
    takesTokens: true,
  },
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
  webdav: { open: [], chosen: [], closed: ['/', 'PROPFIND /', 'PUT /a.txt', 'MOVE /a.txt'], takesTokens: true },
}
