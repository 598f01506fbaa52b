/** What `sallyport init` takes, and what the steps of one run share. */

import type { OutgoingConfig } from '../../base/outgoing.ts'
import type { Ports } from '../../base/ports.ts'
import type { loadConfig } from '../../config/load.ts'
import type { parseArguments } from '../../console/args.ts'
import type { ServiceUser } from '../../console/drop-root.ts'
import type { Io } from '../../console/io.ts'
import type { Reach } from '../../identity/http.ts'
import type { Asker, Question } from './ask.ts'

export const USAGE = {
  text: `usage: sallyport init [--out routes.toml] [options]

Asks a few questions, checks that the provider answers, and writes a first routes.toml. It writes the client’s secret to a file beside it,
and the configuration of the proxy in front, if there is one. It can make the client at Pocket ID. It overwrites nothing. Without a terminal,
every question needs its flag.
Exit code: 0 written, 1 not written, 2 for a wrong command line or missing flags.

  --users                    no provider: user names and passwords in a file that Sallyport reads
  --user NAME                the first user, an admin; the password is generated and shown once
  --issuer ADDRESS           your provider: Pocket ID's address, the issuer of another, or google, github, discord
  --ca FILE                  your own certificate authorities, if they signed the provider’s certificate
  --internal-url ADDRESS     where the provider is asked in your own network, such as http://pocket-id:1411
  --outgoing-proxy ADDRESS   the proxy to the internet, if there is no direct way: http://proxy:3128; the new file names it too
  --provider-route           adds a public route to the provider: from the host of --issuer to --internal-url
  --host HOST                the host by which people reach the first application
  --recipe NAME              the application’s recipe, from "sallyport recipe list"
  --upstream ADDRESS         where that application answers
  --front NAME               your proxy in front of the application, which asks Sallyport: nginx, caddy, haproxy, traefik, envoy, ingress-nginx
  --front-address ADDRESS    the address from which that proxy connects; default: 127.0.0.1
  --tls acme|files|proxy|plain
                             how browsers connect: by HTTPS of Sallyport, with certificates from Let’s Encrypt (acme) or your own
                             (files), by HTTPS of a proxy in front, or by plain HTTP; default: proxy, for localhost plain
  --port NUMBER              the port where Sallyport listens; default: 8080, for files 443 (and 80, which is sent on)
  --email ADDRESS            for acme: your e-mail address, for the certificate authority
  --cert FILE, --key FILE    for files: the certificate with its chain, and its key
  --proxy-address ADDRESS    for proxy: the address from which the proxy connects
  --portal ADDRESS           a separate address for signing in; "own" for the application’s host
  --group NAME, --everyone   who gets access: a group, or every signed-in user
  --members LIST             who may have a session, asked for with google, github and discord: addresses, @domains, groups
  --client-id ID             the client, as registered at the provider
  --client-secret-file FILE  its secret; --public for a client that has none
  --api-key-file FILE        an API key of Pocket ID, to make the client there, for the members of --group alone
  --take-over                takes over an existing client of that name at Pocket ID
  --schema                   write routes.schema.json too, by which editors complete and check the file
  --yes                      ask nothing, and use the default for each missing flag
  --offline                  do not check that the provider answers`,
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

export type Flags = Extract<ReturnType<typeof parseArguments<typeof USAGE.options>>, { ok: true }>['values']
export type InitPorts = Parameters<typeof loadConfig>[1] &
  Pick<Ports, 'now' | 'random' | 'ask' | 'resolve' | 'proxyFor'>

/** Asks a question, unless a flag has answered it; empty where there is no answer, which is then known. */
export type AnswerQuestion = (question: Question, stated: string | undefined) => Promise<string>

/** One run of the command. */
export interface Init {
  readonly flags: Flags
  readonly io: Io
  readonly ports: InitPorts
  readonly out: string
  readonly secretPath: string
  readonly asker: Asker
  readonly hasTerminal: boolean
  /** Which other user has to read the written files; null: none. */
  readonly serviceUser: ServiceUser | null
  /** How the provider is reached from here. */
  readonly reach: Reach
  /** By which proxy, which `ports` ask through already; null: by none. */
  readonly outgoing: OutgoingConfig | null
}
