/** What docs/errors.md and `sallyport help` say of each error code: its causes, and how to fix it. */

import { CODES, type Code } from './errors.ts'

/** Why a failure happens, what the operator does about it, and what else people call it. Prose for a table: no line breaks. */
interface Advice {
  /** Begins with the protocol's noun, so that a search finds it. */
  readonly cause: string
  readonly fix: string
  /** What other programs print in the same case, and people then search for. */
  readonly terms: readonly string[]
}

/**
 * Advice for every code: a code without advice does not compile. The log's `error` and `hint` say what happened this
 * time.
 */
const ADVICE: Readonly<Record<Code, Advice>> = {
  'target.malformed': {
    cause: 'Request, form or parameter: it cannot be read. Or a proxy in front describes no single request.',
    fix: 'Compare the proxy in front with its recipe.',
    terms: ['400 Bad Request'],
  },
  'target.host': {
    cause: '`Host` header: it is missing, repeated, no host name, or differs from `X-Forwarded-Host`.',
    fix: 'Let the proxy in front write `X-Forwarded-Host` anew, from the host by which it chose the application.',
    terms: ['invalid host header', '400 Bad Request'],
  },
  'target.ambiguous': {
    cause:
      'Path: an application may read it as another one. It has encoded dots, bad escapes, or lies under two routes.',
    fix: 'Write the address plainly. A path under two routes passes for users whom both routes allow.',
    terms: ['encoded slash', 'path traversal', '400 Bad Request'],
  },
  'target.method': {
    cause: 'Method: it is never forwarded, such as CONNECT or TRACE.',
    fix: 'Nothing: the client is at fault.',
    terms: ['405 Method Not Allowed'],
  },
  'target.header': {
    cause: 'Header field: it is malformed, repeated, or cannot be passed on, such as announced trailers.',
    fix: 'Let the client leave the field out. The log names it.',
    terms: ['400 Bad Request', 'invalid header'],
  },
  'target.too_large': {
    cause: 'Request body: it is longer than `max_body`.',
    fix: 'Raise `max_body` of the route, or of `[server]`.',
    terms: ['413 Request Entity Too Large', '413 Content Too Large', '413 Payload Too Large', 'client_max_body_size'],
  },
  'target.stalled': {
    cause:
      'Request body: the client sent nothing for `stall_timeout`. A form of Sallyport’s own took 30 seconds for 64 KiB or less.',
    fix: 'Raise `stall_timeout` of `[server]` if clients may pause for longer. For Sallyport’s own forms there is no key.',
    terms: ['408 Request Timeout'],
  },
  'limit.open': {
    cause: 'Requests: one client has `max_open` answers and uploads under way.',
    fix: 'Raise `max_open`. Behind a proxy, name it in `trusted_proxies`; otherwise all users count as one client.',
    terms: ['429 Too Many Requests'],
  },
  'limit.descriptors': {
    cause: 'File descriptors: the process, or the machine, may open no more files and connections.',
    fix: 'Raise the limit (`LimitNOFILE` of the unit, `ulimits` in compose). `max_client_connections` bounds one client.',
    terms: ['too many open files', 'EMFILE', 'ENFILE'],
  },
  'limit.rate': {
    cause: 'Rate limit: there were more requests, sign-ins or wrong passwords than it allows. The log says which.',
    fix: 'Raise `rate`, or `sign_in_rate` in `[server]`, if the requests are honest. Behind a proxy, name it in `trusted_proxies`.',
    terms: ['429 Too Many Requests', 'rate limit exceeded'],
  },
  'route.none': {
    cause: 'Route: none serves this host and path. Or a proxy asked for a verdict elsewhere than at `verify`.',
    fix: 'Run `sallyport explain URL`.',
    terms: ['404 Not Found'],
  },
  'route.own': {
    cause: 'Forward auth: the proxy in front asks about a page of Sallyport’s own. It has to hand that request on.',
    fix: 'Let the proxy hand on `/.sallyport/` (and `callback_path`) before anything else, as its recipe does. `sallyport doctor` tests it.',
    terms: ['404 Not Found'],
  },
  'route.method': {
    cause: 'Method: the route’s `methods`, or the page, do not take it.',
    fix: 'Add the method to `methods` if it should pass.',
    terms: ['405 Method Not Allowed'],
  },
  'route.grpc': {
    cause: 'gRPC: the call may pass, but its answer would have no trailers.',
    fix: 'Let a proxy in front carry gRPC and ask at `verify`, or call by gRPC-Web.',
    terms: ['501 Not Implemented', 'grpc-status'],
  },
  'route.service_worker': {
    cause: 'Service worker: the browser asked for its script where `service_workers = false`.',
    fix: 'Remove that key if the application may have a service worker.',
    terms: [],
  },
  'access.sign_in': {
    cause: 'Session: there is none, or it has ended.',
    fix: 'Sign in. A script opens `sign_in` of the answer in a window.',
    terms: ['401 Unauthorized', 'session expired', 'login required', 'login_required'],
  },
  'access.step_up': {
    cause: 'Sign-in: the rule needs a newer or stronger one (`max_age`, `acr`, `amr`).',
    fix: 'Sign in again.',
    terms: ['insufficient_user_authentication', 'reauthentication required'],
  },
  'access.token': {
    cause:
      'Token: it is unknown, expired, revoked, suspended, or not for this route. Or a provider’s access token fails a check.',
    fix: '`sallyport tokens list` shows the state of the token. The log names the check that failed.',
    terms: ['401 Unauthorized', 'invalid_token', 'token expired', 'jwt expired', 'invalid signature'],
  },
  'access.denied': {
    cause: 'Rule: one denies the user, or none allows the user.',
    fix: 'Run `sallyport explain URL --as …`. It shows the rule that decided.',
    terms: ['403 Forbidden', 'access denied', 'insufficient_scope', 'not authorized'],
  },
  'access.password': {
    cause:
      'Password: the user name, the password or the code is wrong. A code is valid once, and the clocks may differ by half a minute.',
    fix: 'Set it again: `sallyport user passwd FILE NAME`, `user totp FILE NAME`. Users with a second factor use the form; programs use a token.',
    terms: ['401 Unauthorized', 'invalid credentials', 'invalid username or password', 'login failed'],
  },
  'access.passkey': {
    cause:
      'Passkey: it is unknown, was removed, is for another host, was shown twice, or its counter went back. The log has the check that failed.',
    fix: 'Sign in again. A user without another way in gets an invitation: `sallyport user invite NAME`.',
    terms: ['NotAllowedError', 'invalid passkey', 'user verification required', 'unexpected origin'],
  },
  'access.device': {
    cause:
      'Bound session: a browser wanted to bind a sign-in to its device, and the proof was wrong, late or for another sign-in. The log has the check that failed.',
    fix: 'Sign in again. If it happens to everybody, a proxy in front changes `Secure-Session-*` fields: see [Sessions bound to the device](signing-in.md#sessions-bound-to-the-device).',
    terms: ['DBSC', 'device bound session credentials', 'Secure-Session-Registration'],
  },
  'access.proxy': {
    cause: 'Forward auth: a client that is no trusted proxy asked for a verdict at `verify`.',
    fix: 'Name your proxy’s address in `trusted_proxies`.',
    terms: ['403 Forbidden'],
  },
  'access.origin': {
    cause:
      '`Origin` header: a form, a WebSocket or a step of a sign-in began on a page of another origin, or in a frame.',
    fix: 'Name the page’s origin in `allowed_origins`. Open a framed application once in a window of its own.',
    terms: [
      'CSRF verification failed',
      'CSRF token missing',
      'CSRF token not found',
      'CSRF failed',
      'origin not allowed',
      'cross-origin request blocked',
      'CORS',
    ],
  },
  'oauth.request': {
    cause: 'OAuth request: a client of an MCP server sent a wrong parameter. The log names it.',
    fix: 'Register the client again, or correct its published document. It needs PKCE with `S256`, and the `resource` of a route with `mcp = true`.',
    terms: ['invalid_request', 'invalid_grant', 'invalid_scope', 'invalid_target', 'unsupported_grant_type'],
  },
  'files.none': {
    cause: 'File: the folder has none of this name, or does not show it.',
    fix: 'Look in the folder that `files` of the route names.',
    terms: ['404 Not Found'],
  },
  'files.folder': {
    cause: 'Folder: that of `files` is missing, or may not be read.',
    fix: 'Give the folder to the user that runs Sallyport.',
    terms: ['permission denied', 'EACCES'],
  },
  'upstream.refused': {
    cause: 'Upstream connection: nothing listens at the address, or its name is not known.',
    fix: 'Start the application. `upstream` is its address as Sallyport sees it: in a container, `localhost` is the container itself.',
    terms: ['502 Bad Gateway', 'connection refused', 'ECONNREFUSED', 'ENOTFOUND', 'no such host'],
  },
  'upstream.untrusted': {
    cause: 'Upstream certificate: it is expired, self-signed, or for another name.',
    fix: 'Set `ca` or `server_name` in the upstream’s `tls`.',
    terms: [
      '502 Bad Gateway',
      'self-signed certificate',
      'certificate has expired',
      'unable to verify the first certificate',
      'x509: certificate signed by unknown authority',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
    ],
  },
  'upstream.unreachable': {
    cause: 'Upstream connection: it was not made within `connect_timeout`.',
    fix: 'Check the address and the firewalls on the way.',
    terms: ['504 Gateway Timeout', 'connection timed out', 'ETIMEDOUT', 'EHOSTUNREACH', 'no route to host'],
  },
  'upstream.busy': {
    cause: 'Upstream connections: `max_connections` are in use, and none was free within `queue_timeout`.',
    fix: 'Raise either key if the application can serve more at a time.',
    terms: ['503 Service Unavailable', 'service unavailable'],
  },
  'upstream.stalled': {
    cause: 'Upstream answer: the application was silent for `idle_timeout` in the middle of it.',
    fix: 'Raise `idle_timeout` of the upstream if it may pause for longer.',
    terms: ['504 Gateway Timeout'],
  },
  'upstream.broken': {
    cause: 'Upstream answer: it is not HTTP, or the connection broke.',
    fix: 'Look at the application’s log at this time. `https://` and `http://` may be mixed up.',
    terms: [
      '502 Bad Gateway',
      'connection reset by peer',
      'ECONNRESET',
      'unexpected EOF',
      'upstream prematurely closed connection',
    ],
  },
  'upstream.timeout': {
    cause:
      'Upstream answer: none began within `timeout`, counted from the end of the request. Or the application stopped reading it.',
    fix: 'Raise `timeout` of the route if the application needs longer.',
    terms: ['504 Gateway Timeout', 'upstream timed out'],
  },
  'upstream.loop': {
    cause: 'Upstream address: it leads back to Sallyport itself.',
    fix: 'Write the application’s own address.',
    terms: ['508 Loop Detected'],
  },
  'websocket.handshake': {
    cause: 'WebSocket handshake: RFC 6455 does not allow it.',
    fix: 'Nothing: the client is at fault.',
    terms: ['websocket connection failed'],
  },
  'websocket.version': {
    cause: 'WebSocket version: the client speaks another one than 13.',
    fix: 'Nothing: the client is at fault.',
    terms: ['426 Upgrade Required'],
  },
  'provider.down': {
    cause: 'Provider: it does not answer, or not with what is asked for.',
    fix: 'Run `sallyport doctor`. Sessions go on, and sign-ins work again once the provider answers.',
    terms: ['503 Service Unavailable', 'failed to fetch discovery', 'openid-configuration'],
  },
  'provider.discovery': {
    cause:
      'Provider metadata: it does not fit the file. It names another issuer, or has no usable endpoint or key type.',
    fix: 'Write `issuer` exactly as the provider does. `sallyport doctor` says more.',
    terms: ['issuer did not match', 'issuer mismatch', 'openid-configuration'],
  },
  'provider.request': {
    cause:
      'Authorization request: the provider refused the client, its redirect URI or a scope, in the browser or pushed (RFC 9126).',
    fix: 'Register the redirect URI that `sallyport doctor` shows. The log has the provider’s own word.',
    terms: [
      'redirect_uri mismatch',
      'redirect_uri_mismatch',
      'invalid redirect_uri',
      'invalid callback URL',
      'invalid_scope',
      'unauthorized_client',
      'invalid_request',
    ],
  },
  'provider.token': {
    cause: 'Token request: the provider refused the code, the client or its secret.',
    fix: 'Copy `client_id` and `client_secret` again, and compare the registered redirect URI.',
    terms: ['invalid_client', 'invalid_grant', 'invalid client secret', 'unauthorized_client'],
  },
  'provider.id_token': {
    cause: 'ID token: it is missing, or a check failed: signature, issuer, audience, nonce or times.',
    fix: 'Compare the clocks of both machines. The log names the check.',
    terms: ['invalid nonce', 'invalid audience', 'token used before issued', 'id_token expired', 'clock skew'],
  },
  'provider.logout_token': {
    cause: 'Logout token: a back-channel logout failed a check.',
    fix: 'The log names the check.',
    terms: ['backchannel logout'],
  },
  'provider.userinfo': {
    cause: 'Userinfo: the endpoint gave no JSON, or another `sub` than the ID token.',
    fix: 'Look at the provider’s log.',
    terms: ['userinfo'],
  },
  'provider.issuer': {
    cause: 'Issuer: another provider answered than the one that was asked (RFC 9207), or `issuer` changed meanwhile.',
    fix: 'Start again from the application. If it happens again, compare `issuer` with the provider’s.',
    terms: ['issuer mismatch', 'mix-up'],
  },
  'provider.subject': {
    cause:
      '`sub` claim: it is one that only Sallyport gives, such as `guest:…`, or begins like those of another provider of the portal, whose `prefix` says so.',
    fix: 'Let the provider state another `sub`, or choose another `prefix` for the other provider.',
    terms: [],
  },
  'provider.refused': {
    cause:
      'Authorization response: the provider answered with an error. The user declined, or may not use this client.',
    fix: 'Check at the provider who may use the client. The log has its error.',
    terms: ['access_denied', 'consent_required', 'interaction_required', 'login_required'],
  },
  'provider.inactive': {
    cause: 'SCIM: the provider says that this user is deactivated or deleted.',
    fix: 'Activate the user at the provider, and let it push that.',
    terms: ['account disabled', 'user is inactive'],
  },
  'sign_in.member': {
    cause: 'Account: the provider knows the user, but `members` of the portal does not name them.',
    fix: 'Add the user to `members`. The log has the account and its groups.',
    terms: ['403 Forbidden', 'unauthorized email', 'user not allowed'],
  },
  'sign_in.callback': {
    cause: 'Callback: a parameter is missing, or there twice.',
    fix: 'Start again.',
    terms: ['missing code', 'missing state'],
  },
  'sign_in.state': {
    cause:
      '`state` parameter: the sign-in took over an hour, was used already, or came back to another address. Or the provider signed the user out meanwhile.',
    fix: 'Start again. If it always happens, the proxy in front changes host, scheme or port.',
    terms: [
      'invalid state',
      'state mismatch',
      'state parameter mismatch',
      'CSRF token not found',
      'unable to find a valid CSRF token',
      'login timed out',
    ],
  },
  'sign_in.browser': {
    cause: 'Sign-in cookie: the browser that came back does not have it, for the second time.',
    fix: 'Allow cookies, and finish in the browser that began.',
    terms: ['CSRF token not found', 'cookie not found', 'cookies are blocked'],
  },
  'sign_in.plain_http': {
    cause: 'HTTPS: the page was loaded by `http://`, but the portal needs HTTPS. A browser would not keep its cookies.',
    fix: 'One of three: HTTPS by Sallyport itself (`[tls]`); a TLS proxy in front that sends `X-Forwarded-Proto: https` and is named in `trusted_proxies`; or, in a network where every user is trusted, `insecure_cookies = true` in the portal. See [HTTPS](https.md).',
    terms: ['secure cookie over http', 'cookie_secure'],
  },
  'sign_in.loop': {
    cause:
      'Redirect loop: three sign-ins within minutes did not last. The browser keeps no cookie, or the session is not known.',
    fix: 'The page and the log name the cause. See [When something is wrong](operations.md#when-something-is-wrong).',
    terms: ['too many redirects', 'ERR_TOO_MANY_REDIRECTS', 'redirect loop', 'redirected you too many times'],
  },
  'sign_in.step_up': {
    cause: 'ID token: the new sign-in does not show the `auth_time`, `acr` or `amr` that the rule needs.',
    fix: 'The page names the claim. Let the provider state it, or remove it from the rule. Pocket ID states `amr`: `amr = ["phr"]` needs a passkey.',
    terms: ['acr_values', 'unmet_authentication_requirements', 'mfa required'],
  },
  'sign_in.ticket': {
    cause:
      'Ticket: it was used already, is more than an hour old, came from another browser or network, or its network is not known.',
    fix: 'Start again. Look at `bind_tickets` if users change networks. If the network is not known, let the proxy in front send `X-Forwarded-For`, or set `client_address`.',
    terms: ['link expired'],
  },
  'session.store': {
    cause: 'Session store: the database or Redis does not answer, has another key, or its file is being replaced.',
    fix: 'Check disk space, the rights of the folder, and Redis. Restore with `sallyport restore`.',
    terms: [
      'database is locked',
      'disk full',
      'ENOSPC',
      'SQLITE_FULL',
      'SQLITE_BUSY',
      'NOAUTH',
      'WRONGPASS',
      'READONLY',
      'redis connection refused',
    ],
  },
  'session.end': {
    cause: 'Session store: a sign-out or a revocation could not be stored.',
    fix: 'Repair the session store. The sign-out then takes effect, unless all workers of this machine restarted meanwhile. Until then, other machines, workers started later and a process that takes over do not know of it.',
    terms: ['database is locked', 'READONLY'],
  },
  'acme.refused': {
    cause: 'Certificate: the authority refused it.',
    fix: 'The log has its reason. Port 80 of the name has to lead here, or its DNS record has to be public.',
    terms: ['urn:ietf:params:acme:error:unauthorized', 'challenge failed', 'rateLimited', 'CAA'],
  },
  'acme.dns': {
    cause: 'DNS challenge: the record cannot be written, or is not seen.',
    fix: 'The log has the reason. Check `[tls.acme.dns]`, and the name server or the program.',
    terms: ['NXDOMAIN', 'dns-01', 'REFUSED', 'NOTAUTH'],
  },
  'acme.unreachable': {
    cause: 'Certificate authority: it does not answer, or not by ACME.',
    fix: 'Check `directory` of `[tls.acme]`, and the way out of this machine.',
    terms: ['acme timeout'],
  },
  'config.unreadable': {
    cause: 'File: it cannot be read or written.',
    fix: 'Check its path, owner and mode.',
    terms: ['permission denied', 'no such file or directory', 'EACCES', 'ENOENT', 'EROFS'],
  },
  'config.invalid': {
    cause: 'routes.toml: it has mistakes.',
    fix: 'Run `sallyport check`.',
    terms: ['unknown key', 'invalid TOML'],
  },
  'listen.failed': {
    cause: 'Port: it is in use, or may not be opened.',
    fix: 'Stop the other program, or change `listen`. [Low ports](https.md) need a right.',
    terms: ['address already in use', 'EADDRINUSE', 'EACCES', 'permission denied'],
  },
  internal: {
    cause: 'Error in Sallyport.',
    fix: 'Report it, with the lines of the log that have the reference.',
    terms: ['500 Internal Server Error'],
  },
}

/** The tables of docs/errors.md: one for each group of codes, and one of the terms. Ends without a line break. */
export function errorReference(): string {
  const groups = Map.groupBy(Object.keys(CODES) as Code[], code => code.split('.')[0] ?? code)
  return [...[...groups].map(([group, codes]) => renderGroup(group, codes)), renderTerms()].join('\n\n')
}

/** Every term of other programs, with the codes that it may stand for here. */
export const ERROR_TERMS: ReadonlyMap<string, readonly Code[]> = termsOf(ADVICE)

function termsOf(advice: Readonly<Record<Code, Advice>>): ReadonlyMap<string, readonly Code[]> {
  const found = new Map<string, Code[]>()
  for (const [code, { terms }] of Object.entries(advice) as [Code, Advice][]) {
    for (const term of terms) found.set(term, [...(found.get(term) ?? []), code])
  }
  return found
}

function renderTerms(): string {
  const terms = [...ERROR_TERMS].toSorted(([one], [other]) => one.localeCompare(other, 'en'))
  const rows = terms.map(([term, codes]) => `| ${term} | ${codes.map(code => `\`${code}\``).join(', ')} |`)
  return ['## What other programs call it', '', '| you see, or search for | codes here |', '|---|---|', ...rows].join(
    '\n',
  )
}

function renderGroup(group: string, codes: readonly Code[]): string {
  const rows = codes.map(code => {
    const { status, say } = CODES[code]
    const { cause, fix } = ADVICE[code]
    return `| \`${code}\` | ${status} | ${say} | ${cause} | ${fix} |`
  })
  const head = ['| code | status | what people see | why | what to do |', '|---|---|---|---|---|']
  return [`## ${group}`, '', ...head, ...rows].join('\n')
}
