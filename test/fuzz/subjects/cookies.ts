import {
  COOKIE_USES,
  cookieName,
  isOwnCookie,
  readCookie,
  readCookies,
  setsOwnCookie,
  stripOwnCookies,
} from '../../../src/session/cookie.ts'
import { hold, type Subject, textOf } from '../subject.ts'

/** Those of which one browser may have several have a suffix; the others are looked for by their name alone. */
const NAMES = COOKIE_USES.flatMap(use => [cookieName(use, true), cookieName(use, false)])

/** A Cookie field, which is a Set-Cookie field for the other half. */
export const cookies: Subject = {
  name: 'cookies',
  seeds: [
    'a=1; sallyport=TOKEN; b=2',
    '__Host-sallyport-login-abc=x; __Host-sallyport=y',
    ';; sallyport ;=sallyport',
    '=sallyport=x; Path=/',
    'sallyport-guest=x; Max-Age=1; Secure',
    'SALLYPORT=x; sallyport-owner; sallyportx=1',
  ],
  words: [
    ...NAMES,
    ...'= ; ;; =; "; \t \u00a0 , -abc -abcd sallyport- SALLYPORT __Host- __Secure- Path=/ $Version'.split(' '),
    '; ',
  ],
  maxBytes: 200,
  open: () => ({
    attempt(input) {
      const text = textOf(input)
      const kept = stripOwnCookies(text)
      hold(kept === null || stripOwnCookies(kept) === kept, 'what is kept is kept', text, kept)
      const mine = (field: string) =>
        field.split(';').filter(pair => isOwnCookie((pair.split('=', 1)[0] ?? '').replace(/^[ \t]+|[ \t]+$/g, '')))
      hold(kept === null || mine(kept).length === 0, 'no cookie of ours is kept', text, kept)
      // White space at the beginning may go with what was before it; nothing else changes.
      const others = text.split(';').filter(pair => !mine(pair).length)
      const squeeze = (pairs: readonly string[]) => pairs.join(';').replace(/^ +/, '')
      hold(squeeze((kept ?? '').split(';')) === squeeze(others), 'all others are kept as they are', text, kept)
      for (const name of NAMES) {
        const value = readCookie(text, name)
        hold(
          value === null || readCookie(kept, name) === null,
          'what is read of ours goes no further',
          text,
          name,
          kept,
        )
        hold(
          value === null || readCookies(text, name)[0]?.value !== undefined,
          'both ways of reading agree',
          text,
          name,
        )
        for (const { name: found } of /-(?:login|ask|guest|bound)$/.test(name) ? readCookies(kept, name) : [])
          hold(false, 'what is read of ours goes no further', text, found)
      }
      const isOurs = setsOwnCookie(text)
      if (!isOurs) {
        // What a browser sends back of it: RFC 6265bis §5.6 and §5.8.3.
        const pair = text.split(';', 1)[0] ?? ''
        const at = pair.indexOf('=')
        const trim = (part: string) => part.replace(/^[ \t]+|[ \t]+$/g, '')
        const [name, value] = at === -1 ? ['', trim(pair)] : [trim(pair.slice(0, at)), trim(pair.slice(at + 1))]
        const back = name === '' ? value : `${name}=${value}`
        for (const own of NAMES) hold(readCookie(back, own) === null, 'no answer sets a cookie of ours', text, back)
      }
      const count = Math.min(4, mine(text).length)
      return `${count} of ${Math.min(4, text.split(';').length)} ${kept === null} ${kept === text} ${isOurs} ${NAMES.filter(name => readCookie(text, name) !== null).slice(0, 2)}`
    },
  }),
}
