import { basicField } from '../../base/basic.ts'
import type { RootTable } from '../keys/keys.ts'
import { known } from '../keys/known.ts'
import type { Table } from '../keys/table.ts'
import type { BASIC_AUTH, HEALTH, UPSTREAM_TLS, UpstreamSpec, UpstreamTable } from '../keys/upstreams.ts'
import type { HealthConfig, UpstreamConfig, UpstreamTls } from '../types/upstreams.ts'
import type { TemplatePart } from '../types/values.ts'
import type { ConfigFiles } from '../values/files.ts'
import { readPem } from '../values/pem-file.ts'

/**
 * The upstream of a route without mistakes: a table of its own, one of `[upstreams]`, or addresses with every default.
 *
 * Throws TypeError where a value is missing.
 */
export function buildUpstream(spec: UpstreamSpec, root: RootTable, files: ConfigFiles): UpstreamConfig {
  switch (spec.kind) {
    case 'named':
      return build(spec.name, known(root.values.upstreams?.get(spec.name), spec.name), files)
    case 'own':
      return build(null, spec.table, files)
  }
}

function build(name: string | null, { values }: UpstreamTable, files: ConfigFiles): UpstreamConfig {
  const tls = known(values.tls, 'tls')
  const health = known(values.health, 'health')
  const basic = known(values.basic_auth, 'basic_auth')
  return {
    name,
    addresses: known(values.to, 'to'),
    balance: known(values.balance, 'balance'),
    hash: known(values.hash, 'hash') ?? { kind: 'client' },
    tls: tls === null ? null : buildTls(tls, files),
    http2: known(values.http2, 'http2'),
    connectTimeoutMs: known(values.connect_timeout, 'connect_timeout'),
    idleTimeoutMs: known(values.idle_timeout, 'idle_timeout'),
    maxConnections: known(values.max_connections, 'max_connections'),
    queue: known(values.queue, 'queue'),
    queueTimeoutMs: known(values.queue_timeout, 'queue_timeout'),
    health: health === null ? null : buildHealth(health),
    ...(basic === null ? NO_CREDENTIALS : buildBasic(basic)),
  }
}

function buildTls({ values }: Table<typeof UPSTREAM_TLS>, files: ConfigFiles): UpstreamTls {
  const ca = known(values.ca, 'ca')
  const cert = known(values.cert, 'cert')
  const key = known(values.key, 'key')
  return {
    ca: ca === null ? null : readPem(ca, files),
    serverName: known(values.server_name, 'server_name'),
    own: cert === null || key === null ? null : { cert: readPem(cert, files), key: readPem(key, files) },
    insecureSkipVerify: known(values.insecure_skip_verify, 'insecure_skip_verify'),
  }
}

const NO_CREDENTIALS = { authorization: null, personal: null }

/** What speaks of nobody is written once and for all. */
function buildBasic({ values }: Table<typeof BASIC_AUTH>): Pick<UpstreamConfig, 'authorization' | 'personal'> {
  const user = known(values.user, 'user')
  const password = known(values.password, 'password')
  const [name, secret] = [literalOf(user), literalOf(password)]
  if (name === null || secret === null) return { authorization: null, personal: { user, password } }
  return { authorization: basicField(name, secret), personal: null }
}

function literalOf(parts: readonly TemplatePart[]): string | null {
  const texts = parts.filter(part => part.kind === 'text')
  return texts.length === parts.length ? texts.map(({ text }) => text).join('') : null
}

function buildHealth({ values }: Table<typeof HEALTH>): HealthConfig {
  return {
    path: known(values.path, 'path'),
    host: known(values.host, 'host'),
    intervalMs: known(values.interval, 'interval'),
    timeoutMs: known(values.timeout, 'timeout'),
    unhealthyAfter: known(values.unhealthy_after, 'unhealthy_after'),
    healthyAfter: known(values.healthy_after, 'healthy_after'),
    status: known(values.status, 'status'),
  }
}
