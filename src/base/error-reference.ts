import { CODES, type Code } from './errors.ts'

/** Why a failure happens, and what the operator does about it. Prose for a table: no line breaks. */
interface Advice {
  readonly cause: string
  readonly mend: string
}

const NOTHING = 'Nothing, where the client is at fault.'

/**
 * Advice for every code: a code without advice does not compile. The log's `error` and `hint` say what happened this
 * time.
 */
const ADVICE: Readonly<Record<Code, Advice>> = {
  'target.malformed': {
    cause: 'An address, form or parameter that cannot be read; or a proxy in front that states no one request.',
    mend: 'Compare the proxy in front with its recipe; else nothing.',
  },
  'target.host': {
    cause: '`Host` is missing, repeated, no host name, or not what `X-Forwarded-Host` says.',
    mend: 'Let the proxy in front write `X-Forwarded-Host` anew, from the host by which it chose the application.',
  },
  'target.ambiguous': {
    cause: 'A path that an application may read as another one: encoded dots, bad escapes, a path under another route.',
    mend: 'Write the address plainly; one that lies under two routes passes for whom both allow.',
  },
  'target.method': { cause: 'A method that is never forwarded, such as CONNECT or TRACE.', mend: NOTHING },
  'target.header': {
    cause: 'A field that is malformed, doubled, or that cannot be passed on, such as announced trailers.',
    mend: 'Let whoever sends it leave it out; the log says what it is.',
  },
  'target.too_large': {
    cause: 'The body is longer than `max_body`.',
    mend: 'Raise `max_body` of the route, or of `[server]`.',
  },
  'target.stalled': {
    cause:
      'The client sent nothing of its request for `stall_timeout`; of a form for a page of ours, it took 30 seconds for 64 KiB or less.',
    mend: 'Raise `stall_timeout` of `[server]` if clients may pause for longer; for our own forms there is no key.',
  },
  'limit.open': {
    cause: 'A client has `max_open` answers and uploads under way.',
    mend: 'Raise `max_open`; behind a proxy, see that `trusted_proxies` names it, or all are one client.',
  },
  'limit.descriptors': {
    cause: 'The process, or the machine, may open no more files and connections.',
    mend: 'Raise the limit (`LimitNOFILE` of the unit, `ulimits` in compose); see what holds them: `max_client_connections` bounds one client.',
  },
  'limit.rate': {
    cause: 'More requests, sign-ins, or wrong passwords, than a rate allows; the log says which.',
    mend: 'Raise `rate`, or `sign_in_rate` in `[server]`, if they are honest; behind a proxy, see that `trusted_proxies` names it.',
  },
  'route.none': {
    cause: 'No route or portal serves this host and path; or a verdict was asked for elsewhere than at `verify`.',
    mend: 'Ask `sallyport explain URL`.',
  },
  'route.own': {
    cause: 'A proxy in front asks for a verdict about a page of Sallyport’s own, where it has to hand the request on.',
    mend: 'Let it hand `/.sallyport/` (and `callback_path`) on before anything else, as its recipe does; `sallyport doctor` looks.',
  },
  'route.method': {
    cause: 'The route’s `methods`, or the page, do not take this method.',
    mend: 'Add it to `methods` if it is meant to pass.',
  },
  'route.grpc': {
    cause: 'A call of gRPC that may pass, and cannot: its answer would have no trailers.',
    mend: 'Let a proxy in front carry gRPC and ask at `verify`; or call by gRPC-Web.',
  },
  'route.service_worker': {
    cause: 'A service worker’s script was asked for where `service_workers = false`.',
    mend: 'Take that key out if the application may have one.',
  },
  'access.sign_in': {
    cause: 'Nobody is signed in here, or the session has ended.',
    mend: 'Sign in; scripts open `sign_in` of the answer in a window.',
  },
  'access.step_up': {
    cause: 'The rule asks for a newer or stronger sign-in (`max_age`, `acr`, `amr`).',
    mend: 'Sign in again.',
  },
  'access.token': {
    cause:
      'A token that is unknown, over, revoked, at rest, or not for this place; or an access token that does not hold.',
    mend: '`sallyport tokens list` says which it is; the log has the check that failed.',
  },
  'access.denied': {
    cause: 'A rule denies it, or no rule allows it.',
    mend: 'Ask `sallyport explain URL --as …`, which says which rule decided.',
  },
  'access.password': {
    cause:
      'The name is not in the portal’s `htpasswd`, or in the `users` of its provider, or password or code is another one; a code is taken once, and only while the clocks agree to half a minute.',
    mend: 'Write the line anew: `sallyport user passwd FILE NAME`, `user totp FILE NAME`; people with a second factor use the form, programs a token.',
  },
  'access.proxy': {
    cause: 'Someone who is no trusted proxy asked for a verdict at `verify`.',
    mend: 'Name your proxy’s address in `trusted_proxies`.',
  },
  'access.origin': {
    cause: 'A form, a WebSocket or a step of a sign-in began on a page that may not begin it, or in a frame.',
    mend: 'Name the page’s origin in `allowed_origins`; open a framed application once in a window of its own.',
  },
  'oauth.request': {
    cause: 'A client of an MCP server asked with a wrong parameter, which the log names.',
    mend: 'Have the client register anew, or mend its published document; it needs PKCE with `S256`, and the `resource` of a route with `mcp = true`.',
  },
  'files.none': {
    cause: 'The folder has no such file, or none that is shown.',
    mend: 'Look below `files` of the route.',
  },
  'files.folder': {
    cause: 'The folder of `files` is missing, or may not be read.',
    mend: 'Give it to the user that runs Sallyport.',
  },
  'upstream.refused': {
    cause: 'Nothing listens at the application’s address, or its name is not known.',
    mend: 'See that it runs, and that `upstream` is its address as seen from here.',
  },
  'upstream.untrusted': {
    cause: 'The application’s certificate is expired, self-signed, or for another name.',
    mend: 'Set `ca` or `server_name` in the upstream’s `tls`.',
  },
  'upstream.unreachable': {
    cause: 'No connection came about within `connect_timeout`.',
    mend: 'Check the address and the firewalls on the way.',
  },
  'upstream.busy': {
    cause: '`max_connections` are in use, and none came free within `queue_timeout`.',
    mend: 'Raise either if the application can do more at a time.',
  },
  'upstream.stalled': {
    cause: 'The application was silent for `idle_timeout` in the middle of its answer.',
    mend: 'Raise `idle_timeout` of the upstream if it may pause for longer.',
  },
  'upstream.broken': {
    cause: 'The application answered with something that is no HTTP, or the connection broke.',
    mend: 'Look at its own log at this time; `https://` and `http://` may be mixed up.',
  },
  'upstream.timeout': {
    cause:
      'No answer began within `timeout`, counted from the end of the request; or the application stopped taking it.',
    mend: 'Raise `timeout` of the route if it needs longer.',
  },
  'upstream.loop': {
    cause: 'The upstream’s address leads back to Sallyport itself.',
    mend: 'Write the application’s own address.',
  },
  'websocket.handshake': { cause: 'A WebSocket handshake that RFC 6455 does not allow.', mend: NOTHING },
  'websocket.version': { cause: 'A client that speaks another version than 13.', mend: NOTHING },
  'provider.down': {
    cause: 'The provider does not answer, or not with what is asked for.',
    mend: 'Run `sallyport doctor`. Live sessions go on, and signing in heals by itself.',
  },
  'provider.discovery': {
    cause: 'The provider’s own description does not fit the file: another issuer, no usable endpoint or key type.',
    mend: 'Write `issuer` as the provider does, to the letter; `sallyport doctor` says more.',
  },
  'provider.request': {
    cause:
      'The provider did not take what it was asked, whether that was pushed to it (RFC 9126) or not: the client, its callback, a scope.',
    mend: 'The log has its word for it; `sallyport doctor` asks the same.',
  },
  'provider.token': {
    cause: 'The provider refused the code, the client or its secret.',
    mend: 'Copy `client_id` and `client_secret` again; compare the registered callback.',
  },
  'provider.id_token': {
    cause: 'The ID token is missing, or a check of it failed: signature, issuer, audience, nonce or times.',
    mend: 'Compare the clocks of both machines; the log names the check.',
  },
  'provider.logout_token': {
    cause: 'A back-channel logout that does not prove itself.',
    mend: 'The log names the check.',
  },
  'provider.userinfo': {
    cause: 'The userinfo endpoint gave no JSON, or another `sub` than the ID token.',
    mend: 'Look at the provider’s own log.',
  },
  'provider.issuer': {
    cause: 'An answer of another provider than the one that was asked (RFC 9207), or `issuer` changed meanwhile.',
    mend: 'Start again from the application. Where it happens again, compare `issuer` with the provider’s.',
  },
  'provider.subject': {
    cause: 'The provider calls someone by a subject that only Sallyport gives, such as `guest:…`.',
    mend: 'Let the provider state another `sub`.',
  },
  'provider.refused': {
    cause: 'The provider answered with an error: the person declined, or may not use this client.',
    mend: 'Look at who may use the client at the provider; the log has its error.',
  },
  'provider.inactive': {
    cause: 'The provider has pushed by SCIM that this person is deactivated, or has deleted them.',
    mend: 'Activate them at the provider, and let it push that.',
  },
  'sign_in.member': {
    cause: 'The provider knows this person, and `members` of the portal names nobody like them.',
    mend: 'Where they should be let in, say so in `members`; the log has the account and the groups that they came with.',
  },
  'sign_in.callback': { cause: 'The provider’s answer lacks a parameter, or has one twice.', mend: 'Start again.' },
  'sign_in.state': {
    cause:
      'The sign-in took longer than an hour or was used already, and could not be led on by itself; it came back to another address; or the provider has signed this person out meanwhile.',
    mend: 'Start again. Where it always happens, the proxy in front names host, scheme or port differently.',
  },
  'sign_in.browser': {
    cause: 'The browser that came back has no cookie of this sign-in, for the second time.',
    mend: 'Allow cookies, and finish in the browser that began.',
  },
  'sign_in.plain_http': {
    cause:
      'A page was loaded by `http://`, and the portal is made for HTTPS: its cookies are not kept there, so that no sign-in would last.',
    mend: 'One of three: HTTPS of Sallyport’s own (`[tls]`); a TLS proxy in front, which sends `X-Forwarded-Proto: https` and is named in `trusted_proxies`; or, in a network where everybody is trusted, `insecure_cookies = true` in the portal. See [HTTPS](https.md).',
  },
  'sign_in.loop': {
    cause: 'Three sign-ins within minutes did not last: no cookie is kept, or a session is not known.',
    mend: 'The page and the log say which: see [When something is wrong](operations.md#when-something-is-wrong).',
  },
  'sign_in.step_up': {
    cause: 'The new sign-in does not show the `auth_time`, `acr` or `amr` that the rule asks for.',
    mend: 'The page names the claim. Have the provider honour and state it, or take it out of the rule: where it states `amr`, as Pocket ID does, `amr = ["phr"]` asks for a passkey.',
  },
  'sign_in.ticket': {
    cause:
      'The way from the portal to the application was taken twice, more than an hour late, or by another browser or network.',
    mend: 'Start again; look at `bind_tickets` where people use several networks.',
  },
  'session.store': {
    cause: 'The database or Redis does not answer, its key is another one, or another file is being copied over it.',
    mend: 'See whether the disk is full, the folder is writable, and Redis answers; restore with `sallyport restore`.',
  },
  'session.end': {
    cause: 'A sign-out or a revocation could not be stored.',
    mend: 'Mend the session store: what was to end ends then, unless all workers of this machine were started again meanwhile. Until then the workers that ran know of it: other machines, workers started later and a process that takes over do not.',
  },
  'acme.refused': {
    cause: 'The authority refused a certificate.',
    mend: 'Its reason is in the log; port 80 of the name has to lead here, or its record be in DNS for everyone.',
  },
  'acme.dns': {
    cause: 'A name could not be proved in DNS: its record cannot be written, or is not seen.',
    mend: 'Its reason is in the log; look at `[tls.acme.dns]`, and at what the name server or the program says.',
  },
  'acme.unreachable': {
    cause: 'The authority does not answer, or oddly.',
    mend: 'Check `directory` of `[tls.acme]`, and the way out of this machine.',
  },
  'config.unreadable': { cause: 'A file cannot be read or written.', mend: 'Check its path, owner and mode.' },
  'config.invalid': { cause: 'routes.toml has mistakes.', mend: 'Run `sallyport check`.' },
  'listen.failed': {
    cause: 'A port is in use, or may not be opened.',
    mend: 'Stop what holds it, or change `listen`; [low ports](https.md) need a right.',
  },
  internal: {
    cause: 'A mistake of ours.',
    mend: 'Report it with the lines of the log that have the reference.',
  },
}

/** The tables of docs/errors.md: one for each group of codes. Ends without a line break. */
export function errorReference(): string {
  const groups = Map.groupBy(Object.keys(CODES) as Code[], code => code.split('.')[0] ?? code)
  return [...groups].map(([group, codes]) => renderGroup(group, codes)).join('\n\n')
}

function renderGroup(group: string, codes: readonly Code[]): string {
  const rows = codes.map(code => {
    const { status, say } = CODES[code]
    const { cause, mend } = ADVICE[code]
    return `| \`${code}\` | ${status} | ${say} | ${cause} | ${mend} |`
  })
  const head = ['| code | status | what people see | why | what to do |', '|---|---|---|---|---|']
  return [`## ${group}`, '', ...head, ...rows].join('\n')
}
