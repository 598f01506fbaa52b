/** What is read of an Ingress. */
interface Ingress {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: { readonly rules?: readonly Rule[] }
}

interface Rule {
  readonly host: string
  readonly http: { readonly paths: readonly PathRule[] }
}

interface PathRule {
  readonly path: string
  readonly backend: { readonly service: { readonly name: string; readonly port: { readonly number: number } } }
}

type Annotations = Readonly<Record<string, string>>

/**
 * What ingress-nginx 1.x writes into its nginx.conf for these resources, as far as it concerns a verdict; by its template. In place of
 * `set_escape_uri`, which is a module's, `escaper` is a server that sends people to the address in `X-Address` with `X-Uri` escaped in it.
 */
export function expandIngress(text: string, escaper: string): string {
  const all = text.split(/^---$/m).map(one => Bun.YAML.parse(one) as Ingress)
  const maps = new Map(
    all.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata, data = {} }) => [metadata.name, data]),
  )
  const locations = new Map<string, string[]>()
  for (const { kind, metadata, spec } of all) {
    if (kind !== 'Ingress') continue
    for (const { host, http } of spec?.rules ?? []) {
      const made = http.paths.map(rule => locationOf(rule, metadata.annotations ?? {}, maps, escaper))
      locations.set(host, [...(locations.get(host) ?? []), ...made])
    }
  }
  const servers = [...locations].map(
    ([host, made]) => `server {\n    listen 80;\n    server_name ${host};\n${made.join('\n')}\n}\n`,
  )
  return `map $http_host $best_http_host { default $http_host; '' $host; }
map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
server {
    listen 80 default_server;
    server_name _;
    return 404;
}
${servers.join('\n')}`
}

function locationOf(
  { path, backend: { service } }: PathRule,
  annotations: Annotations,
  maps: ReadonlyMap<string, Readonly<Record<string, string>>>,
  escaper: string,
): string {
  const said = (name: string) => annotations[`nginx.ingress.kubernetes.io/${name}`]
  const url = said('auth-url')
  const size = said('proxy-buffer-size') ?? '4k'
  const timeout = said('proxy-read-timeout') ?? '60'
  const asks =
    url === undefined
      ? ''
      : `
        auth_request /_external-auth-Lw-Prefix;
        auth_request_set $auth_cookie $upstream_http_set_cookie;
        add_header Set-Cookie $auth_cookie;
        ${(said('auth-response-headers') ?? '')
          .split(',')
          .map(
            (
              name,
              index,
            ) => `auth_request_set $authHeader${index} $upstream_http_${name.toLowerCase().replaceAll('-', '_')};
        proxy_set_header '${name}' $authHeader${index};`,
          )
          .join('\n        ')}
        error_page 401 = @sign_in;`
  return `${url === undefined ? '' : authLocations(url, said, maps, size, escaper)}
    location ${path} {${asks}
        proxy_set_header Host $best_http_host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $best_http_host;
        proxy_set_header X-Forwarded-Port $server_port;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Scheme $scheme;
        proxy_set_header X-Scheme $scheme;
        proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
        proxy_set_header Proxy "";
        proxy_http_version 1.1;
        proxy_buffering off;
        proxy_buffer_size ${size};
        proxy_buffers 4 ${size};
        proxy_read_timeout ${timeout}s;
        proxy_pass http://${service.name}:${service.port.number};
        proxy_redirect off;
    }`
}

function authLocations(
  url: string,
  said: (name: string) => string | undefined,
  maps: ReadonlyMap<string, Readonly<Record<string, string>>>,
  size: string,
  escaper: string,
): string {
  const { hostname, port, pathname } = new URL(url)
  const more = maps.get(said('auth-proxy-set-headers')?.split('/')[1] ?? '') ?? {}
  return `
    location = /_external-auth-Lw-Prefix {
        internal;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Forwarded-Proto "";
        proxy_set_header Host ${hostname};
        proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
        proxy_set_header X-Original-Method $request_method;
        proxy_set_header X-Sent-From "nginx-ingress-controller";
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Auth-Request-Redirect $request_uri;
        proxy_buffering off;
        proxy_buffer_size ${size};
        proxy_buffers 4 ${size};
        proxy_request_buffering on;
        proxy_pass_request_headers on;
        ${Object.entries(more)
          .map(([name, value]) => `proxy_set_header '${name}' '${value}';`)
          .join('\n        ')}
        proxy_http_version 1.1;
        set $target http://${hostname.split('.')[0]}:${port}${pathname};
        proxy_pass $target;
    }
    location @sign_in {
        internal;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header X-Address "${said('auth-signin') ?? ''}";
        proxy_set_header X-Uri $request_uri;
        set $escaped_request_uri ESCAPED;
        proxy_pass ${escaper};
    }`
}

/** What `set_escape_uri` makes of an address, as a server. */
export function startEscaper(): Bun.Server<undefined> {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch({ headers }) {
      const address = (headers.get('x-address') ?? '').replace(
        'ESCAPED',
        encodeURIComponent(headers.get('x-uri') ?? ''),
      )
      return new Response(null, { status: 302, headers: { location: address } })
    },
  })
}
