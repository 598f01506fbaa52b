/**
 * Variables that the operator has to set for the new file: secrets, and values that the old file did not have.
 *
 * A secret is the value of an option that is one for the old program (a client's secret, a key, a password), of a field or parameter that
 * a matcher asks for, or an application gets, and that is not known to be harmless (`mayBeSecret`), each name and password in an address
 * (`replaceLogins`), and each long part of a path or an address of a route (`replaceLong`). Other values go into the new file as they
 * are: a short word in a path, and what every answer says.
 */

/** Something that the new file takes from the environment, since the old one does not say it, or says it in the clear. */
export interface Blank {
  readonly name: string
  /** The value to set, for an operator who still has the old file. Never the value itself. */
  readonly meaning: string
  /** A value of the same kind, by which the new file can be checked before the real one is known. */
  readonly standIn: string
}

export type Blanks = ReturnType<typeof createBlanks>

/** A reserved host name (RFC 2606 §3), so that a check with it reaches no server. */
export const STAND_IN_HOST = 'fill-in.example.com'

/** Collects what is left to be filled in. */
export function createBlanks() {
  const list: Blank[] = []
  /** The reference for a new blank, as routes.toml writes it. A name that is taken for something else gets a number. */
  const add = (name: string, stated: string, standIn: string): string => {
    const base = variableName(name)
    const meaning = withoutLong(stated)
    for (let count = 1; ; count++) {
      const candidate = count === 1 ? base : `${base}_${count}`
      const taken = list.find(blank => blank.name === candidate)
      if (taken !== undefined && taken.meaning !== meaning) continue
      if (taken === undefined) list.push({ name: candidate, meaning, standIn: apart(standIn, list.length) })
      return `\${${candidate}}`
    }
  }
  return {
    list: list as readonly Blank[],
    add,
    /** The reference for a variable that the old file names itself. */
    variable(name: string, meaning: string, standIn: string): string {
      if (!list.some(blank => blank.name === name)) list.push({ name, meaning, standIn: apart(standIn, list.length) })
      return `\${${name}}`
    },
    /** A text of the old file in the spelling of the new one: what is in <angle brackets>, to be filled in there, is a blank here. */
    literal: (text: string) =>
      escapeReferences(text).replace(/(^|.)<([A-Za-z][A-Za-z0-9 ._-]{0,80})>/g, (_, before: string, name: string) => {
        const standIn = before === ':' ? '8080' : STAND_IN_HOST
        return before + add(name, `the value of <${name}>`, standIn)
      }),
  }
}

/** Fields and parameters whose values are not copied. */
export const SECRET_NAME = /auth|token|key|secret|cookie|pass|pwd|credential|signature/i
/** What nobody takes for a secret: in fields of these names each word of a list as below. A star may have been in it. */
const HARMLESS: readonly (readonly [names: RegExp, word: RegExp])[] = [
  [/./, /^(?:true|false|yes|no|on|off|[01])$/i],
  [
    /^(?:accept|content-type)$/i,
    /^(?:application|audio|font|image|message|multipart|text|video)?\/(?:[a-z]+[0-9]?(?:[.+-][a-z]+[0-9]?){0,5})?$/i,
  ],
  [/^(?:accept|content-type)$/i, /^(?:q=[01](?:\.[0-9])?|charset=utf-?8)$/i],
  [/^(?:accept|content)-encoding$/i, /^(?:gzip|br|zstd|deflate|identity)$/i],
  [/^accept-language$/i, /^[a-z]{2}(?:-[a-z]{2})?$/i],
  [/^(?:upgrade|connection|te)$/i, /^(?:websocket|h2c|upgrade|keep-alive|close|trailers)$/i],
  [/^(?:cache-control|pragma)$/i, /^(?:no-cache|no-store|max-age=0)$/i],
  [/^x-requested-with$/i, /^XMLHttpRequest$/i],
  [/^x-forwarded-proto$/i, /^(?:https?|wss?)$/i],
  [/^origin$/i, /^null$/],
  [/^range$/i, /^bytes=(?:0-)?$/i],
  [/^sec-fetch-/i, /^(?:cors|no-cors|navigate|same-origin|same-site|cross-site|none|websocket|document|empty|\?[01])$/],
  [/^sec-fetch-dest$/i, /^(?:script|style|image|iframe)$/],
  [/^sec-ch-ua/i, /^\?[01]$/],
  [
    /^user-agent$/i,
    /^(?:Mozilla|AppleWebKit|Chrome|Chromium|Safari|Firefox|Gecko|Edge?|OPR|Opera|MSIE|Trident|Mobile)(?:\/[0-9]{0,2}(?:\.0?)?)?$/i,
  ],
  [
    /^user-agent$/i,
    /^(?:Android|iPhone|iPad|Windows|Linux|Macintosh|curl|Wget|Googlebot|bingbot|bot|crawler|spider)\/?$/i,
  ],
]

/**
 * Whether what a matcher asks of a field or a parameter may be a secret: whoever sends it passes. A star and a single letter say nothing;
 * what is not known to be harmless besides is taken for one.
 */
export function mayBeSecret(name: string, value: string): boolean {
  const stated = value.replaceAll('*', '').trim()
  if (stated.length < 2) return false
  if (SECRET_NAME.test(name)) return true
  const known = HARMLESS.filter(([names]) => names.test(name))
  return stated.split(/[\s,;]+/).some(one => one !== '' && !known.some(([, word]) => word.test(one)))
}

/** What stays: a reference, its escape, the host of an address. Else a long text of letters and digits, which may let in who knows it. */
const LONG = /\w+:\/\/[^\s/?#]*|\$\$\{|\$\{[^}]*\}|(?<!\\)(?=[\w-]*[A-Za-z])(?=[\w-]*[0-9])[\w-]{20,}/g

/** A text with something else in place of each such part; `before` is what stands in front of it. */
export function replaceLong(text: string, replace: (part: string, before: string) => string): string {
  return text.replace(LONG, (part, at: number) => (/[$:]/.test(part) ? part : replace(part, text.slice(0, at))))
}

/**
 * Up to the last @ before the path (RFC 3986 §3.2.1), or before the end, where a password has an unescaped slash or the like: what stands
 * behind the colon is no port then. A password that is a reference says nothing.
 */
const LOGIN =
  /(\w:\/\/)(?![^\s/?#@:]*:\$\{[^}]*\}@)([^\s/?#:@[\]]+:(?!(?:\d|\$\{[^}]*\})*(?:[/?#]|$))[^\s@]*(?:@[^\s/?#@]*)*|[^\s/?#]*)@/g

/** A text with something else in place of each name and password in an address. */
export function replaceLogins(text: string, replace: (login: string) => string): string {
  return text.replace(LOGIN, (_, before: string, login: string) => `${before}${replace(login)}@`)
}

/** A path with something else in place of each value of a parameter that may be a secret. */
export function replaceParameters(path: string, replace: (name: string) => string): string {
  return path.replace(/([?&])([^=&#\s]+)=([^&#\s]+)/g, (all, sign: string, name: string, value: string) =>
    value.startsWith('${') || !mayBeSecret(name, value) ? all : `${sign}${name}=${replace(name)}`,
  )
}

/** What is said of a path or an address, without parts of it that may be a secret. */
export function withoutLong(text: string): string {
  return text.replace(/\w+:\/\/[^\s/?#]*|\/\S*/g, word => replaceLong(word, () => '…'))
}

/** Hosts that are to be filled in are different ones. */
function apart(standIn: string, count: number): string {
  return standIn.replace(STAND_IN_HOST, `${count}.${STAND_IN_HOST}`)
}

/** Text that means itself in routes.toml, where `${` begins a reference. */
export function escapeReferences(text: string): string {
  return text.replaceAll('${', () => '$${')
}

function variableName(text: string): string {
  const name = text
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
  return /^[A-Z]/.test(name) ? name : `SALLYPORT_${name}`
}
