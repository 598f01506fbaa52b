import { clientOf, logTimeMs, type ReadLine, requestOf, unescapeText, userOf } from './logged.ts'

/** A quoted text in which quotes are escaped. */
const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"'

const COMMON = new RegExp(`^(\\S+(?: \\S+)+?) \\[([^\\]]+)\\] ${QUOTED} (\\d{3}) (?:\\d+|-)(?: |$)`)

/**
 * nginx's and Apache's combined and common formats, those of Traefik that are like them, and Apache's `vhost_combined`, whose lines
 * begin with host and port.
 *
 * Source: nginx.org, ngx_http_log_module; httpd.apache.org, mod_log_config.
 */
export const readCombined: ReadLine = line => {
  const [, before = '', time = '', request = '', status = ''] = COMMON.exec(line) ?? []
  const words = before.split(' ')
  // A name may have blanks, so that what comes first tells one from the other: a client is an address.
  const hasHost = words.length > 3 && clientOf(words[0] ?? '') === null
  const [client = '', , ...user] = hasHost ? words.slice(1) : words
  const atMs = logTimeMs(time)
  if (user.length === 0 || Number.isNaN(atMs)) return null
  return requestOf(unescapeText(request), {
    atMs,
    client: clientOf(client),
    host: hasHost ? (words[0] ?? null) : null,
    user: userOf(user.join(' ')),
    status: Number(status),
    isForwarded: null,
  })
}

const OAUTH2_PROXY = new RegExp(
  `^(\\S+) - (?:\\S+ - )?([^\\[]+?) \\[([^\\]]+)\\] (\\S+) ([A-Z-]+) (\\S+) ${QUOTED} (HTTP/\\S+) ${QUOTED} (\\d{3}) \\d+ [\\d.]+$`,
)

/** Its other lines: attempts to sign in, and what it says of itself. */
const OAUTH2_PROXY_OTHER = /^\S+ - [^[]+ \[[^\]]+\] \[Auth\w+\] |^\[[^\]]+\] \[[\w.-]+:\d+\] /

/**
 * oauth2-proxy's lines by its own templates, with the request's id and as they were before it. What it answered by itself names no
 * upstream.
 *
 * Source: oauth2-proxy.github.io, Logging Configuration (request, authentication and standard log format).
 */
export const readOauth2Proxy: ReadLine = line => {
  const found = OAUTH2_PROXY.exec(line)
  if (found === null) return OAUTH2_PROXY_OTHER.test(line) ? 'other' : null
  const [, client = '', user, time = '', host = '', method, upstream, uri = '', protocol, , status] = found
  const atMs = logTimeMs(time)
  if (Number.isNaN(atMs)) return null
  return requestOf(`${method} ${unescapeText(uri)} ${protocol}`, {
    atMs,
    client: clientOf(client),
    host,
    user: userOf(user),
    status: Number(status),
    isForwarded: upstream !== '-',
  })
}

const HAPROXY = new RegExp(
  `^(\\S+):\\d+ \\[([^\\]]+)\\] \\S+ (\\S+)/(\\S+) [\\d/+-]+ (\\d{3}|-1) \\S+ \\S+ \\S+ \\S{4} \\S+ \\S+ (?:\\{([^|}]*)(?:\\|[^}]*)?\\} )*${QUOTED}$`,
)

/**
 * HAProxy's `option httplog`, the first field that it captured taken for the host. What it answered by itself has no server.
 *
 * Source: HAProxy Configuration Manual, 8.2.3 (HTTP log format).
 */
export const readHaproxy: ReadLine = line => {
  const found = HAPROXY.exec(line)
  if (found === null) return null
  const [, client = '', time = '', , server, status, host, request = ''] = found
  const atMs = logTimeMs(time)
  if (Number.isNaN(atMs)) return null
  // What cannot stand in a line is #XX there, as %XX is in an address; no request has a bare #.
  return requestOf(request.replaceAll('#', '%'), {
    atMs,
    client: clientOf(client),
    host: userOf(host),
    user: null,
    status: Number(status),
    isForwarded: server !== '<NOSRV>' && server !== '<STATS>',
  })
}
