/** Dynamic registration of MCP clients (RFC 7591). */

import type { Ports } from '../../base/ports.ts'
import { openAnswer } from '../answer.ts'
import { type FormTools, readBody } from '../form.ts'
import type { PortalRequest } from '../portal-request.ts'
import { parseClient, registerClient } from './clients.ts'

export interface RegisterTools extends FormTools {
  readonly ports: Pick<Ports, 'now'>
  noteStart(clientAddress: string): void
}

const MAX_BYTES = 16 * 1024

/**
 * Dynamic registration (RFC 7591 §3), open to all: what a client may do, a person decides each time. Nothing is kept of it.
 * Throws `limit.rate`, `target.stalled`.
 */
export async function register(ctx: PortalRequest, tools: RegisterTools): Promise<Response> {
  const { request } = ctx
  tools.noteStart(ctx.clientAddress)
  if (!/^application\/json *(?:;|$)/i.test(request.headers.get('content-type') ?? '')) {
    return openAnswer({ error: 'invalid_client_metadata' }, 400)
  }
  const client = parseClient(parseJson(await readBody(request, MAX_BYTES, tools.formWaitMs)))
  if (typeof client === 'string') return openAnswer({ error: client }, 400)
  const nowMs = tools.ports.now()
  return openAnswer(
    {
      client_id: await registerClient(ctx, tools.seal, client, nowMs),
      client_id_issued_at: Math.floor(nowMs / 1000),
      ...(client.name === '' ? {} : { client_name: client.name }),
      redirect_uris: client.redirects,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    201,
  )
}

function parseJson(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text)
  } catch {
    return null
  }
}
