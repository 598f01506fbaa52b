/** A colour of our pages, and the faint one that goes behind it; both `#rrggbb`. */
export interface Accent {
  readonly accent: string
  readonly tint: string
}

/** What a browser may be told that a picture is. */
export type PictureType = 'image/svg+xml' | 'image/png' | 'image/webp' | 'image/x-icon'

/** A picture out of a file that routes.toml names. Text, not bytes: what is checked is frozen. */
export interface Picture {
  readonly type: PictureType
  readonly base64: string
  /** The SHA-256 of its bytes: changes when the picture does. */
  readonly hash: string
}

/** What a template can say of the request itself. */
export type RequestPlaceholder = 'host' | 'path' | 'query' | 'method' | 'client' | 'request_id' | 'scheme'

/** A piece of a template: text as it is, something about the person, or something about the request. */
export type TemplatePart =
  | { readonly kind: 'text'; readonly text: string }
  /** A placeholder of `headers`: `email`, `claims.NAME`. */
  | { readonly kind: 'identity'; readonly name: string }
  | { readonly kind: 'request'; readonly name: RequestPlaceholder }

/** A field with its value; the name is lower-case. */
export interface FieldTemplate {
  readonly name: string
  readonly parts: readonly TemplatePart[]
}
