/** Something that went wrong in a program of this kind, and the test that shows that it does not go wrong here. */
export interface Advisory {
  /** CVE-… where it has one, else GHSA-…. */
  readonly id: string
  /** The same advisory elsewhere. */
  readonly alias?: string
  readonly program: string
  /** What went wrong, in a few words of ours. */
  readonly what: string
  /** A file below test, without `.test.ts`. */
  readonly file: string
  /** The title of a test, or of a group of them, as it is written in that file. */
  readonly test: string
}

type Row = readonly [id: string, program: string, what: string]

const shown = (file: string, test: string, ...rows: readonly (Row | readonly [...Row, alias: string])[]): Advisory[] =>
  rows.map(([id, program, what, alias]) => ({
    id,
    program,
    what,
    file,
    test,
    ...(alias === undefined ? {} : { alias }),
  }))

/** Published advisories of gates and of proxies, by what shows here that they cannot happen. A new one is a new line. */
export const ADVISORIES: readonly Advisory[] = [
  // Paths and routes
  ...shown(
    'attack/routes/paths',
    '%s reaches the upstream only where every reading of it may',
    ['CVE-2025-54576', 'oauth2-proxy', 'a rule for paths was matched with the query'],
    ['CVE-2026-41059', 'oauth2-proxy', 'what follows # or %23 decided', 'GHSA-pxq7-h93f-9jrg'],
    ['CVE-2026-32811', 'Heimdall', 'a rule was matched with the query, or in part'],
    ['CVE-2023-47106', 'Traefik', '# in the target'],
    ['CVE-2021-32779', 'Envoy', '# in the target'],
    ['CVE-2025-32431', 'Traefik', 'dot segments in a path'],
    ['CVE-2025-47952', 'Traefik', 'encoded dot segments in a path'],
    ['CVE-2025-66490', 'Traefik', 'encoded characters in a path'],
    ['CVE-2026-33494', 'Oathkeeper', 'a path that was not normalised before rules were matched'],
    ['CVE-2026-52844', 'Caddy', 'backslashes and encoded ones in a path'],
    ['CVE-2026-39406', 'Hono', 'repeated slashes'],
    ['CVE-2021-32637', 'Authelia', 'a malformed escape failed open'],
    ['CVE-2023-33189', 'Pomerium', 'a crafted path was taken for one of the gate’s own'],
  ),
  ...shown(
    'attack/routes/route-tables',
    '$what',
    ['CVE-2026-48020', 'Traefik', 'a prefix was taken off before the path was normalised', 'GHSA-xf64-8mw2-4gr2'],
    ['CVE-2026-40912', 'Traefik', 'a prefix was taken off one spelling of the path', 'GHSA-6jwx-7vp4-9847'],
    ['CVE-2026-65600', 'Traefik', 'a rewritten path led out of its rule', 'GHSA-cxjq-mrr5-89rv'],
    ['CVE-2026-47676', 'Hono', 'a prefix was matched without the slash after it'],
  ),

  // Hosts and TLS
  ...shown(
    'attack/routes/hosts',
    'one canonical host is matched, forwarded and told',
    ['CVE-2026-48794', 'Authelia', 'a host in capitals missed its rule'],
    ['CVE-2026-77560', 'Tinyauth', 'a host in capitals missed its list of people', 'GHSA-328g-jx67-v94g'],
    ['CVE-2026-27588', 'Caddy', 'a host in capitals missed its matcher'],
    ['CVE-2022-23632', 'Traefik', 'a host with a dot at its end missed its options'],
  ),
  ...shown(
    'attack/routes/hosts',
    'no answer of ours has a word of it',
    ['CVE-2024-21498', 'caddy-security', 'X-Forwarded-Host made an address'],
    ['CVE-2024-21499', 'caddy-security', 'X-Forwarded-Proto made an address'],
  ),
  ...shown(
    'attack/wire/http2',
    'a host is judged by its own rules, whichever certificate the connection was opened with',
    ['CVE-2026-48491', 'Traefik', 'the name in TLS and Host disagreed'],
  ),
  ...shown('flow/upstreams/tls', 'is a mistake at the start, never a check that is left out', [
    'CVE-2026-27586',
    'Caddy',
    'a file of authorities that could not be read was a check left out',
  ]),
  ...shown('attack/wire/crafted', 'and cannot be read is refused at the start, never left out: %s', [
    'CVE-2026-54762',
    'Traefik',
    'a secret that could not be had was a check left out',
    'GHSA-4mr2-fg2p-w63c',
  ]),

  // Identity and forwarded fields
  ...shown(
    'attack/credentials/identity',
    'is heard in no spelling (signed in: %p)',
    ['CVE-2025-64484', 'oauth2-proxy', 'underscores in the name of an identity field', 'GHSA-vjrc-mh2v-45x6'],
    ['CVE-2026-39858', 'Traefik', 'underscores in the name of a forwarded field', 'GHSA-5m6w-wvh7-57vm'],
  ),
  ...shown('attack/credentials/identity', 'a field is not kept because the claim for it is missing', [
    'CVE-2026-30851',
    'Caddy',
    'a client’s identity field stayed where the gate had none',
  ]),
  ...shown(
    'attack/credentials/identity',
    'what the gate says arrives once, whatever a client repeats or Connection names',
    ['CVE-2021-32777', 'Envoy', 'repeated fields'],
    ['CVE-2024-45410', 'Traefik', 'Connection named the proxy’s own fields'],
    ['CVE-2026-29054', 'Traefik', 'Connection, in small letters, named the proxy’s own fields'],
  ),
  ...shown('flow/migrate/old-verdicts', 'a user agent is a health check at / alone', [
    'CVE-2026-34457',
    'oauth2-proxy',
    'the User-Agent of a health check passed',
    'GHSA-5hvv-m4w4-gf6v',
  ]),
  ...shown(
    'attack/wire/crafted',
    'decides nothing, be its sender a trusted proxy or anyone',
    ['CVE-2026-40575', 'oauth2-proxy', 'X-Forwarded-Uri from a client was judged', 'GHSA-7x63-xv5r-3p2x'],
    ['CVE-2026-33495', 'Oathkeeper', 'forwarded fields from a client were judged'],
    ['CVE-2026-35051', 'Traefik', 'X-Forwarded-Prefix from a client was passed on', 'GHSA-6384-m2mw-rf54'],
  ),
  ...shown(
    'attack/routes/networks',
    'X-Forwarded-For: %j',
    ['CVE-2024-47070', 'authentik', 'an address that could not be read skipped a rule'],
    ['CVE-2026-24398', 'Hono', 'an address in an odd spelling skipped a rule'],
  ),
  ...shown('attack/routes/networks', 'X-Forwarded-For: %j changes nothing, nor lets in', [
    'CVE-2024-21494',
    'caddy-security',
    'X-Forwarded-For from a client was believed',
    'GHSA-vj36-3ccr-6563',
  ]),
  ...shown('attack/sign-in/cookies', '(%j) is nobody', [
    'CVE-2026-25748',
    'authentik',
    'a malformed session cookie let its sender pass',
    'GHSA-fj56-5763-j8pp',
  ]),
  ...shown(
    'attack/wire/crafted',
    '%j is nobody’s, and harms nobody',
    ['CVE-2023-28625', 'mod_auth_openidc', 'an empty Cookie field ended the process', 'GHSA-f5xw-rvfr-24qr'],
    ['CVE-2024-24814', 'mod_auth_openidc', 'a cookie that counts chunks took all memory', 'GHSA-hxr6-w4gc-7vvv'],
  ),
  ...shown(
    'attack/wire/crafted',
    'with more than one @, or with look-alike letters, is nobody’s whom a rule names: %j',
    [
      'CVE-2026-40574',
      'oauth2-proxy',
      'an e-mail address with several @ passed for one of an allowed domain',
      'GHSA-c5c4-8r6x-56w3',
    ],
  ),

  // Redirects
  ...shown(
    'portal/portal-attacks',
    'a destination of %j is forgotten at sign-in',
    ['CVE-2020-5233', 'oauth2-proxy', 'an open redirect after signing in'],
    ['CVE-2020-11053', 'oauth2-proxy', 'an open redirect by encoded white space', 'GHSA-j7px-6hwj-hpjg'],
    ['CVE-2024-21497', 'caddy-security', 'an open redirect by redirect_url', 'GHSA-8hp3-rmr7-xh88'],
    ['CVE-2021-39191', 'mod_auth_openidc', 'an open redirect by target_link_uri'],
  ),
  ...shown(
    'route/return-to',
    "whatever comes in, the browser's own parse of it stays on this origin and off our pages",
    ['CVE-2019-20479', 'mod_auth_openidc', 'an open redirect by slash and backslash'],
    ['CVE-2022-23527', 'mod_auth_openidc', 'an open redirect by a tab'],
  ),
  ...shown('attack/sign-in/old-sign-out', 'rd leads to no other host than those of the file', [
    'CVE-2021-21291',
    'oauth2-proxy',
    'a redirect to a domain that only ended like an allowed one',
    'GHSA-4mf2-f3wh-gvf2',
  ]),
  ...shown('portal/portal-attacks', 'no parameter makes %s lead elsewhere', [
    'CVE-2021-29456',
    'Authelia',
    'an open redirect at sign-out',
    'GHSA-36f2-fcrx-fp4j',
  ]),

  // Signing in and out, sessions
  ...shown('portal/portal-attacks', 'login CSRF: an answer given to another browser is 400 and no session', [
    'CVE-2017-1000069',
    'oauth2_proxy',
    'a sign-in that an attacker began was ended by the victim',
  ]),
  ...shown(
    'portal/portal-attacks',
    'signing in as somebody else ends the session that this browser had, on every host',
    ['GHSA-f24x-5g9q-753f', 'oauth2-proxy', 'the session from before stayed while somebody signed in'],
  ),
  ...shown(
    'portal/portal-attacks',
    'ends the session on every host at once, and only after the question',
    ['CVE-2026-34454', 'oauth2-proxy', 'a session outlived its sign-out'],
    ['CVE-2024-21492', 'caddy-security', 'a session outlived its sign-out'],
  ),
  ...shown(
    'attack/sign-in/crossed',
    'fifty people who ask all at once, on shared connections and out of a small memory, each get their own answers',
    ['CVE-2026-71326', 'Traefik', 'people shared an answer whose key was too narrow', 'GHSA-6765-c87h-8mrf'],
  ),
  ...shown('portal/sign-in/sign-in', 'fifty people signing in at the same time each become themselves', [
    'CVE-2026-33544',
    'Tinyauth',
    'people who signed in at once became each other',
    'GHSA-9q5m-jfc4-wc92',
  ]),
  ...shown(
    'flow/sessions/provider-sessions',
    'groups that changed act at once after it, on requests and on streams that are open',
    ['CVE-2021-41230', 'Pomerium', 'claims from before went on to count'],
  ),

  // What is told
  ...shown(
    'attack/credentials/secrets',
    'no secret of a sign-in, of a request or of the file is in a log, a page, an address or a database',
    ['CVE-2024-39315', 'Pomerium', 'tokens of the provider in a page'],
    ['CVE-2022-23469', 'Traefik', 'Authorization in a debug log'],
  ),
  ...shown(
    'attack/wire/crafted',
    'the way to sign in is all that nobody gets: no byte of the application comes before, after or with it',
    ['CVE-2025-31492', 'mod_auth_openidc', 'protected bytes came after the page for signing in'],
  ),
  ...shown('attack/wire/crafted', 'a form without a word in it, sent by nobody, is refused too', [
    'CVE-2025-3891',
    'mod_auth_openidc',
    'an empty POST that was to be kept ended the process',
  ]),
  ...shown(
    'portal/portal-attacks',
    'an error_description with markup appears on no page, and runs nowhere',
    ['CVE-2023-52430', 'caddy-security', 'words of the request in a page, as markup'],
    ['CVE-2026-33525', 'Authelia', 'words of the request in a page, as markup'],
  ),
  ...shown('attack/sign-in/cross-site', 'what the admin listener tells is on no public listener, under no name', [
    'CVE-2022-24797',
    'Pomerium',
    'pages for debugging on the public port',
  ]),
  ...shown(
    'attack/sign-in/cross-site',
    'a page reads nothing of the admin listener, and nobody changes anything there',
    ['CVE-2026-27589', 'Caddy', 'a web page changed the configuration by the admin port'],
  ),

  // Floods
  ...shown(
    'flow/sign-in/provider-faults',
    'at its token, key or userinfo endpoint ends one sign-in with a page, and no other',
    [
      'CVE-2026-26998',
      'Traefik',
      'an endless answer of the service that is asked took all memory',
      'GHSA-fw45-f5q2-2p4x',
    ],
  ),
  ...shown(
    'attack/wire/http2',
    'streams that are opened and reset in a row neither reach the application nor stop the gate (CVE-2023-44487)',
    ['CVE-2023-44487', 'HTTP/2', 'streams that were opened and reset'],
  ),
  ...shown('attack/wire/http2', 'a head that never ends is cut off (CVE-2024-27316)', [
    'CVE-2024-27316',
    'Apache',
    'a head of HTTP/2 without an end',
  ]),
]
