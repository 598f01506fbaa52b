/** `[upstreams.NAME]`, or such a table of a route, as the program takes it. */

import { basicField } from '../../base/basic.ts'
import type { RootTable } from '../keys/keys.ts'
import { type Known, known, type Table } from '../keys/table.ts'
import type { BASIC_AUTH, HashKey, HEALTH, UPSTREAM_TLS, UpstreamSpec, UpstreamTable } from '../keys/upstreams.ts'
import type { UpstreamAddress } from '../values/address.ts'
import type { ConfigFiles } from '../values/files.ts'
import { readPem } from '../values/pem.ts'
import type { TemplatePart } from '../values/template.ts'

/** TLS to an upstream, as PEM texts. */
export interface UpstreamTls {
  /** The only authorities trusted; null: the system's. */
  readonly ca: string | null
  readonly serverName: string | null
  /** Our certificate and its key, for an upstream that asks. */
  readonly own: { readonly cert: string; readonly key: string } | null
  readonly insecureSkipVerify: boolean
}

/** How each address of an upstream is asked whether it is well. */
export interface HealthConfig {
  readonly path: string
  /** The Host field; null: the address's own. */
  readonly host: string | null
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly unhealthyAfter: number
  readonly healthyAfter: number
  /** Null: any 2xx. */
  readonly status: readonly number[] | null
}

export interface UpstreamConfig {
  /** The table's name in `[upstreams]`; null for one that is written at its route. */
  readonly name: string | null
  readonly addresses: readonly UpstreamAddress[]
  readonly balance: 'round-robin' | 'least-connections' | 'hash'
  /** Used where `balance` is `hash`. */
  readonly hash: HashKey
  readonly tls: UpstreamTls | null
  readonly http2: boolean
  readonly connectTimeoutMs: number
  /** Null: what Bun's fetch allows. */
  readonly idleTimeoutMs: number | null
  /** Null: no limit. */
  readonly maxConnections: number | null
  readonly queue: number
  readonly queueTimeoutMs: number
  readonly health: HealthConfig | null
  /** What we are called there, as an Authorization field (RFC 7617); null: nothing is sent. */
  readonly authorization: string | null
  /** The user name and password of each user there, in place of `authorization`; null: not per user. */
  readonly personal: BasicTemplates | null
}

/** Basic credentials that speak of a person. */
export interface BasicTemplates {
  readonly user: readonly TemplatePart[]
  readonly password: readonly TemplatePart[]
}

/**
 * The upstream of a route without mistakes: its own table, one of `[upstreams]`, or addresses with every default.
 *
 * Throws TypeError where a value is missing.
 */
export function buildUpstream(
  spec: UpstreamSpec,
  { upstreams }: Pick<Known<RootTable>, 'upstreams'>,
  files: ConfigFiles,
): UpstreamConfig {
  if (spec.kind === 'own') return build(null, spec.table, files)
  const table = upstreams.get(spec.name)
  if (table === undefined) throw new TypeError(`upstreams.${spec.name} has no value and no diagnostic`)
  return build(spec.name, table, files)
}

function build(name: string | null, table: UpstreamTable, files: ConfigFiles): UpstreamConfig {
  const upstream = known(table)
  return {
    name,
    addresses: upstream.to,
    balance: upstream.balance,
    hash: upstream.hash ?? { kind: 'client' },
    tls: upstream.tls === null ? null : buildTls(upstream.tls, files),
    http2: upstream.http2,
    connectTimeoutMs: upstream.connect_timeout,
    idleTimeoutMs: upstream.idle_timeout,
    maxConnections: upstream.max_connections,
    queue: upstream.queue,
    queueTimeoutMs: upstream.queue_timeout,
    health: upstream.health === null ? null : buildHealth(upstream.health),
    ...(upstream.basic_auth === null ? NO_CREDENTIALS : buildBasic(upstream.basic_auth)),
  }
}

function buildTls(table: Table<typeof UPSTREAM_TLS>, files: ConfigFiles): UpstreamTls {
  const { ca, server_name, cert, key, insecure_skip_verify } = known(table)
  return {
    ca: ca === null ? null : readPem(ca, files),
    serverName: server_name,
    own: cert === null || key === null ? null : { cert: readPem(cert, files), key: readPem(key, files) },
    insecureSkipVerify: insecure_skip_verify,
  }
}

const NO_CREDENTIALS = { authorization: null, personal: null }

/** Credentials that depend on no user are written once, in advance. */
function buildBasic(table: Table<typeof BASIC_AUTH>): Pick<UpstreamConfig, 'authorization' | 'personal'> {
  const { user, password } = known(table)
  const [name, secret] = [literalOf(user), literalOf(password)]
  if (name === null || secret === null) return { authorization: null, personal: { user, password } }
  return { authorization: basicField(name, secret), personal: null }
}

function literalOf(parts: readonly TemplatePart[]): string | null {
  const texts = parts.filter(part => part.kind === 'text')
  return texts.length === parts.length ? texts.map(({ text }) => text).join('') : null
}

function buildHealth(table: Table<typeof HEALTH>): HealthConfig {
  const health = known(table)
  return {
    path: health.path,
    host: health.host,
    intervalMs: health.interval,
    timeoutMs: health.timeout,
    unhealthyAfter: health.unhealthy_after,
    healthyAfter: health.healthy_after,
    status: health.status,
  }
}
