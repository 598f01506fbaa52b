/** Whether a request asks for a WebSocket. */

import type { SentFields } from '../../proxy/fields/request.ts'

/** Whether an application may take a request for the handshake of a WebSocket (RFC 6455 §4.1), though fields of one are missing. */
export function tellsOfWebSocket(sent: SentFields): boolean {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = sent
  return key !== undefined || version !== undefined || upgrade?.toLowerCase().includes('websocket') === true
}

/** Whether a request is to become a WebSocket. RFC 9110 §7.8: an Upgrade that Connection does not name is as good as none. */
export function asksForWebSocket({ upgrade, connection }: SentFields): boolean {
  if (upgrade === undefined || upgrade.toLowerCase() !== 'websocket') return false
  return connection?.split(',').some(option => option.trim().toLowerCase() === 'upgrade') === true
}
