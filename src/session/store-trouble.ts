/** Errors of Redis and SQLite in words for operators, with how to fix them. */

export const UNREACHED = 'it cannot be reached'

/** How an error begins that says that there is no connection to a server; the cause says why. */
export const NO_CONNECTION = 'no connection to '

/** What a store's own words mean for the person who runs it, and where a config file has to say otherwise, what. */
interface Trouble {
  readonly pattern: RegExp
  /** As the end of a sentence. */
  readonly why: string
  readonly hint?: string
}

const LOGIN = 'see the user and the password in store of [sessions]'

/** The first that fits counts. */
const TROUBLES: readonly Trouble[] = [
  { pattern: /SQLITE_BUSY|SQLITE_LOCKED/, why: 'it is locked by another program' },
  { pattern: /SQLITE_FULL|ENOSPC|disk is full/, why: 'its disk is full' },
  { pattern: /SQLITE_READONLY|EROFS/, why: 'it is read-only' },
  { pattern: /SQLITE_(?:CORRUPT|NOTADB)/, why: 'it is damaged' },
  { pattern: /SQLITE_IOERR_(?:WRITE|FSYNC|TRUNCATE)/, why: 'its disk takes no writes' },
  { pattern: /SQLITE_IOERR/, why: 'its disk cannot be read' },
  {
    pattern: /sentinels know no/,
    why: 'its sentinels do not know it',
    hint: 'in store, write the name after the addresses as the sentinels call it',
  },
  {
    pattern: /several of the servers say/,
    why: 'several servers say that they are its primary',
    hint: 'make one of them a replica of the other',
  },
  { pattern: /none of the servers says/, why: 'none of its servers is a primary' },
  { pattern: /\bREADONLY\b/, why: 'it is a replica, which may only be read' },
  { pattern: /\bOOM\b/, why: 'it is over its maxmemory' },
  { pattern: /\bMISCONF\b/, why: 'it cannot save to its disk' },
  { pattern: /\bNOREPLICAS\b/, why: 'it has too few replicas (min-replicas-to-write)' },
  { pattern: /\bMASTERDOWN\b/, why: 'it is a replica that has lost its primary' },
  { pattern: /\bLOADING\b/, why: 'it is still loading its data' },
  {
    // What a script may not do is worded otherwise: so by Valkey 8 and Redis 7.2, and then by Redis 7.0.
    pattern: /\bNOPERM\b|ACL failure in script|The user executing the script can't /,
    why: 'its user may not do this (ACL)',
    hint: 'the chapter "On several machines" has what this user has to be allowed',
  },
  {
    pattern: /\bWRONGPASS\b|invalid password|without any password configured/,
    why: 'it does not take this user and password',
    hint: LOGIN,
  },
  { pattern: /\bNOAUTH\b/, why: 'it wants a password', hint: LOGIN },
  {
    pattern: /DB index is out of range|SELECT is not allowed/,
    why: 'it has no database of this number',
    hint: 'see the number at the end of store in [sessions]',
  },
  { pattern: /moves from node to node/, why: 'a part of it moves from node to node just now' },
  {
    pattern: /cluster support disabled/,
    why: 'it is no cluster',
    hint: 'in store, write redis:// for a server that is no node of a cluster',
  },
  {
    pattern: /\bCLUSTERDOWN\b/,
    why: 'its cluster has lost a node that nothing has taken the place of yet',
    hint: 'see CLUSTER INFO; with cluster-require-full-coverage no, the other nodes go on',
  },
  {
    pattern: /\bMOVED\b|\bCROSSSLOT\b|\bASK \d/,
    why: 'it is a node of a cluster',
    hint: 'in store, write redis+cluster:// and some of its nodes',
  },
  {
    pattern: /ERR_TLS_CERT_ALTNAME_INVALID/,
    why: 'its certificate is for another name',
    hint: 'in store, write a name that the certificate has',
  },
  { pattern: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/, why: 'its certificate is not valid today' },
  {
    pattern: /SELF_SIGNED_CERT|UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT)|CERT_UNTRUSTED|INVALID_CA/,
    why: 'its certificate is from an authority that is not trusted here',
    hint: 'name the file of that authority: store_tls = { ca = "ca.pem" } in [sessions]',
  },
  {
    pattern:
      /ALERT_(?:CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED)/,
    why: 'it wants a certificate of this gate that it trusts',
    hint: 'see store_tls in [sessions], with cert and key, and which authority the server trusts',
  },
  {
    pattern: /WRONG_VERSION_NUMBER|ERR_SSL_/,
    why: 'it speaks no TLS there',
    hint: 'see the port in store, or write redis:// for a server without TLS',
  },
  { pattern: /sentinels do not agree/, why: 'its sentinels do not say which server is the primary' },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|EAI_NODATA|EAI_NONAME/,
    why: 'its name is not known to DNS',
    hint: 'see the name in store of [sessions]',
  },
  {
    pattern: /EACCES|EPERM/,
    why: 'this process may not open its socket',
    hint: 'let the user of this process write to the socket',
  },
  {
    pattern: /no (?:reply|connection) within/,
    why: 'it does not answer in time',
    hint: 'is it overloaded, or does a firewall drop packets, or does it speak no TLS where store says rediss://?',
  },
  {
    pattern: /ECONNREFUSED|ENOENT|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/,
    why: UNREACHED,
    hint: 'is it running, and are address and port in store right?',
  },
  {
    pattern: /ECONNRESET|EPIPE/,
    why: UNREACHED,
    hint: 'is it running? If it takes TLS only, write rediss:// in store',
  },
  {
    pattern:
      /\bno connection to\b|[Cc]onnection (?:is )?closed|Socket closed|Disconnects client|client is closed|client is offline/,
    why: UNREACHED,
  },
]

function troubleIn(error: unknown): Trouble | undefined {
  const texts: string[] = []
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    texts.push(`${'code' in at ? String(at.code) : ''} ${at.message}`)
  }
  return TROUBLES.find(({ pattern }) => texts.some(text => pattern.test(text)))
}

/** Why a store failed, in words without a secret or an address; null where it says nothing that is known. Looks at causes, too. */
export function troubleOf(error: unknown): string | null {
  return troubleIn(error)?.why ?? null
}

/** Whether there is no connection to a server: that is logged where the connection is kept. */
export function isDisconnected(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith(NO_CONNECTION)
}

/** Whether a server has refused to write, and has written nothing: it does not begin what it has no room for. */
export function isRefusedWrite(error: unknown): boolean {
  return error instanceof Error && /^(?:OOM|MISCONF|NOREPLICAS) /.test(error.message)
}

/** What to do about it, as a sentence; null where there is no more to say. */
export function hintOf(error: unknown): string | null {
  return troubleIn(error)?.hint ?? null
}
