/** The button that sends a kept form, as the gate recognises it. */

import { type FormTools, readBytes } from '../form.ts'
import type { PortalRequest } from '../portal-request.ts'

/**
 * The one field of the button that sends a kept form, by which the gate knows it from the application's own forms: in the body, so
 * that it stands in no address.
 */
export const SEND_FIELD = 'sallyport-send'

const SENT = new RegExp(`^${SEND_FIELD}=([A-Za-z0-9_-]{43})$`)

/** How long the body of that button is: no longer one is looked at. */
const SEND_BYTES = SEND_FIELD.length + 1 + 43

/** What is known of a form before any of it is read. */
interface FormHead {
  readonly method: string
  readonly type: string | null | undefined
  readonly length: string | null | undefined
}

/** Whether a form may be that button: it has the type and the length. */
export function mayBeSending({ method, type, length }: FormHead): boolean {
  return method === 'POST' && length === String(SEND_BYTES) && /^application\/x-www-form-urlencoded$/i.test(type ?? '')
}

/** What a form turned out to be. */
export interface Sending {
  /** The id of the kept form that it asks to be sent; null where it is no such button. */
  readonly id: string | null
  /** Its body; null where none of that has been read. */
  readonly body: Buffer<ArrayBuffer> | null
}

/** Reads a form that may be that button, where forms are kept, and nothing of any other. Throws `target.stalled`. */
export async function readSending({ request, keepsForms }: PortalRequest, { formWaitMs }: FormTools): Promise<Sending> {
  const { method, headers } = request
  const head = { method, type: headers.get('content-type'), length: headers.get('content-length') }
  if (keepsForms === null || !mayBeSending(head)) return { id: null, body: null }
  const body = await readBytes(request, SEND_BYTES, formWaitMs)
  return { id: SENT.exec(body?.toString('latin1') ?? '')?.[1] ?? null, body }
}
