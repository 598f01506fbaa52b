/** What differs from one run to the next by chance, made the same: times, ids, keys, ports, folders. */

/** Words that stand for what a run was given by chance, by what they stand for: ports and folders. */
export type Given = ReadonlyMap<string, string>

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** Bytes as text: UTF-8 as far as they are that, else a character for each byte. */
export function textOf(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    return Buffer.from(bytes).toString('latin1')
  }
}

/** Each by where it stands, so that nothing else is taken for chance. */
const CHANCE: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b(sallyport(?:-(?:ask|login|guest)-)?)[\w-]*=(?=[\w.~-]{11})[^;\s"{]+/g, '$1=(random)'],
  [/\b(sallyport-(?:ask|login|guest))-[\w-]+/g, '$1-(random)'],
  [/\b(sallyport-\w+)=(?=[^;\s"]{11})[^;\s"]+/g, '$1=(random)'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?/g, '(time)'],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/g, '(date)'],
  [/\w+\.? \d+, \d{4}, \d+:\d\d(?::\d\d)? [AP]M/g, '(time)'],
  [/\d+\.? \p{L}+\.? \d{4},? (?:à |um )?\d\d:\d\d/gu, '(time)'],
  [/(<time\b[^>]*>)[^<]*/g, '$1(time)'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '(uuid)'],
  [/((?:x-request-id: |Via: 1\.1 |Sec-WebSocket-Accept: ))[\w+/=-]+/gi, '$1(random)'],
  [/(traceparent: 00)-[0-9a-f]{32}-[0-9a-f]{16}/g, '$1-(random)'],
  [
    /("(?:id|reference|session|sid|fingerprint|kid|x|y|n|link|token|other_session|jti|trace_id)":")(?=[^"]{8})[^"]+/g,
    '$1(random)',
  ],
  [/((?:Reference|Referenz|Référence|Referencia) <code>)[^<]+/g, '$1(random)'],
  [/([?&](?:amp;)?(?:to|ticket|link|state|nonce|code_challenge|code|proof)=)(?=[^&"\s]{8})[^&"\s]+/g, '$1(random)'],
  [/(name="(?:proof|browser|id|link|form|kept|login|to)" value=")[^"]+/g, '$1(random)'],
  [/\bguest:[0-9a-f]{8,}/g, 'guest:(random)'],
  [/'nonce-[^']+'|nonce="[^"]+"/g, '(nonce)'],
  [/\b(Max-Age=863)\d\d/g, '$1(seconds)'],
  [/"(\w*(?:ms|Ms|duration\w*))": ?\d+(?:\.\d+)?/g, '"$1":(time)'],
  // Pages that tell times have some characters more or less.
  [/"bytes":[1-9]\d*/g, '"bytes":(number)'],
  [/\b(pid"?[:=]) ?\d+/g, '$1 (number)'],
  [/(?<![\w+/%-])(?!sha256-)[\w-]{43,}(?![\w%+/])/g, '(random)'],
]

/** The same text for the same behaviour, whenever and wherever it ran. */
export function plain(text: string, given: Given): string {
  let made = text
  for (const [found, word] of given) made = made.replaceAll(found, word)
  for (const [pattern, name] of CHANCE) made = made.replace(pattern, name)
  return made
}
