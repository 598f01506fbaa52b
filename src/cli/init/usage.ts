/** What `sallyport init` takes. */
export const USAGE = {
  text: `usage: sallyport init [--out routes.toml] [options]

Asks little, looks whether the provider answers, and writes a first routes.toml with the client's secret in a file beside it, and
the file of the proxy in front where there is one. It can make the client at Pocket ID. Nothing is overwritten. Without a terminal every question needs its flag.
Exit code: 0 written, 1 not, 2 for a wrong command line or missing flags.

  --users                    no provider: names and passwords in a file of ours
  --user NAME                the first of them, an admin, with a password that is made and shown once
  --issuer ADDRESS           your provider: Pocket ID's address, the issuer of another, or google, github, discord
  --ca FILE                  the authorities that signed the provider's certificate, where it is one of your own
  --internal-url ADDRESS     where the provider is asked in your own network, such as http://pocket-id:1411
  --outgoing-proxy ADDRESS   where machines reach the internet by a proxy alone: http://proxy:3128, for the provider and what comes later
  --provider-route           Sallyport leads to the provider too: from the host of --issuer to --internal-url, open to everybody
  --host HOST                the host by which people reach the first application
  --recipe NAME              which application it is, by "sallyport recipe list"
  --upstream ADDRESS         where that application answers
  --front NAME               a proxy of yours that has the application, and asks: nginx, caddy, haproxy, traefik, envoy, ingress-nginx
  --front-address ADDRESS    where it comes from; 127.0.0.1 when absent
  --tls acme|files|proxy|plain
                             how browsers come: by HTTPS of Sallyport's own, with certificates of Let's Encrypt or your own, by
                             a proxy's, or by plain HTTP; proxy when absent, plain for localhost
  --port NUMBER              where Sallyport listens: 8080 when absent, 443 for files
  --email ADDRESS            for acme: where the authority may reach you
  --cert FILE, --key FILE    for files: the certificate with its chain, and its key
  --proxy-address ADDRESS    for proxy: where it comes from
  --portal ADDRESS           an address of its own for signing in; "own" for the application's host
  --group NAME, --everyone   who may pass
  --members LIST             who may have a session, asked for with google, github and discord: addresses, @domains, groups
  --client-id ID             the client, as registered at the provider
  --client-secret-file FILE  its secret; --public for a client that has none
  --api-key-file FILE        an API key of Pocket ID, to make the client there, for the members of --group alone
  --take-over                a client of that name at Pocket ID is made this one's
  --schema                   write routes.schema.json too, by which editors complete and check the file
  --yes                      ask nothing, and take what is usual where a flag is missing
  --offline                  do not look whether the provider answers`,
  options: {
    out: { type: 'string', default: 'routes.toml' },
    issuer: { type: 'string' },
    users: { type: 'boolean' },
    user: { type: 'string' },
    ca: { type: 'string' },
    'internal-url': { type: 'string' },
    'outgoing-proxy': { type: 'string' },
    'provider-route': { type: 'boolean' },
    host: { type: 'string' },
    recipe: { type: 'string' },
    upstream: { type: 'string' },
    front: { type: 'string' },
    'front-address': { type: 'string' },
    tls: { type: 'string' },
    port: { type: 'string' },
    email: { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
    'proxy-address': { type: 'string' },
    portal: { type: 'string' },
    group: { type: 'string' },
    members: { type: 'string' },
    everyone: { type: 'boolean' },
    'client-id': { type: 'string' },
    'client-secret-file': { type: 'string' },
    public: { type: 'boolean' },
    'api-key-file': { type: 'string' },
    'take-over': { type: 'boolean' },
    schema: { type: 'boolean' },
    yes: { type: 'boolean' },
    offline: { type: 'boolean' },
  },
  maxPositionals: 0,
} as const
