/** Why a provider was not reached: no connection, no address, or a certificate that nobody here trusts. */

/** Codes of an authority that this machine does not know, as the platform writes them. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET_ISSUER)|CERT_UNTRUSTED/

/** Whether a request failed because this machine trusts no issuer of the server's certificate. */
export function isUntrusted(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && UNTRUSTED.test(String(thrown.code))
}

/** Whether nothing was sent, since there was no connection. */
export function isUnconnected(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && UNCONNECTED.test(String(thrown.code))
}

const UNCONNECTED = /^(?:ConnectionRefused|ECONNREFUSED|FailedToOpenSocket|ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/

/** Whether no server received the request: no connection, no address, or no valid certificate. */
export function isUnreached(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return isUnconnected(thrown) || NOBODY.test(code) || UNTRUSTED.test(code)
}

const NOBODY = /^(?:ERR_PROXY_TUNNEL|ENOTFOUND|EAI_AGAIN|ENODATA|EPROTO|CERT_HAS_EXPIRED|ERR_TLS_CERT_ALTNAME_INVALID)$/

/** How to fix an address that did not answer, by the platform's error code and by whose address it is. */
export function hintForUnreached(address: string, thrown: unknown, isInternal: boolean): string {
  const { host, hostname } = new URL(address)
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  if (/ENOTFOUND|EAI_AGAIN|ENODATA/.test(code)) {
    return isInternal
      ? `${hostname} has no address here: in compose it is the name of the provider's service, which needs a network (networks) that this one is in as well`
      : `${hostname} has no address here: see the DNS server of this machine; ${OFFER}`
  }
  if (code === 'ECONNREFUSED') {
    return isInternal
      ? `nothing listens at ${host}: does the provider run, and is that the port inside of its container, not the published one?`
      : `nothing listens at ${host}: does the provider run? ${OFFER}`
  }
  if (UNTRUSTED.test(code)) {
    return `no authority that is trusted here has signed the certificate of ${host}: for one of your own, write ca = "ca.pem" in the provider's table`
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${host} is for another name: does the name lead to the right machine, seen from here?`
  }
  if (code === 'EPROTO') return `${host} speaks no TLS on this port: is it http:// there, or is HTTPS on another port?`
  if (code === 'CERT_HAS_EXPIRED') return `the certificate of ${host} has expired`
  const check = 'check that the provider runs, and that its name and certificate are good from this machine'
  return isInternal ? check : `${check}; ${OFFER}`
}

const OFFER =
  'where browsers reach it and this machine does not, internal_url = "http://NAME:PORT" says where it is in your own network'
