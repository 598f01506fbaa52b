import { plant } from './log/planted.ts'

/** What a browser says of a page load, as fields. */
export const PAGE = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } as const

/** The same as lines. */
export const PAGE_LINES = ['Accept: text/html', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document'] as const

/** What it says of a form that a page of the same host sends, where only that is looked at. */
export const OWN_FORM = {
  'sec-fetch-site': 'same-origin',
  'content-type': 'application/x-www-form-urlencoded',
} as const

/** What it says of a form that a window of the same host shows. */
export const FORM = { ...PAGE, ...OWN_FORM } as const

/** What it says of a script that sends a form to its own host. */
export const SCRIPT = { accept: 'application/json', ...OWN_FORM } as const

export function bearer(token: string): { readonly authorization: string } {
  plant(token, 'a token that was sent')
  return { authorization: `Bearer ${token}` }
}

/** `name:password`, as UTF-8. */
export function basic(pair: string): { readonly authorization: string } {
  const field = Buffer.from(pair).toString('base64')
  plant(field, 'a name and a password that were sent')
  plant(pair.slice(pair.indexOf(':') + 1), 'a password that was sent')
  return { authorization: `Basic ${field}` }
}
