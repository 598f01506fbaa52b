import { GateError } from '../../../src/base/errors.ts'
import { peekToken, verifyLogoutToken } from '../../../src/identity/logout-token.ts'
import { encode, KEYS, said, signed, tokenOf } from '../signing.ts'
import { hold, type Subject, textOf } from '../subject.ts'

const NOW_S = 1_800_000_000
const [ISSUER, CLIENT] = ['https://id.example', 'gate']
const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

const HEADER = { alg: 'ES256', kid: 'one', typ: 'logout+jwt' }
const CLAIMS = {
  iss: ISSUER,
  aud: CLIENT,
  sub: 'ada',
  iat: NOW_S,
  exp: NOW_S + 120,
  jti: 'one',
  events: { [EVENT]: {} },
}
const RIGHT = signed(JSON.stringify(HEADER), JSON.stringify(CLAIMS))

/** A token by which a provider ends sessions: `T` and one as it comes, or `S`, a head and claims in JSON, which are signed well. */
export const logouts: Subject = {
  name: 'logouts',
  seeds: [
    `T${RIGHT}`,
    `T${encode('{"alg":"none"}')}.${encode(JSON.stringify(CLAIMS))}.`,
    said(HEADER, CLAIMS),
    said({ ...HEADER, typ: 'JWT' }, { ...CLAIMS, sid: 'session-1' }),
    said({ alg: 'ES256' }, { ...CLAIMS, sub: undefined, sid: 'session-1', aud: [CLIENT, 'other'] }),
    said({ ...HEADER, typ: 'at+jwt' }, CLAIMS),
    said({ ...HEADER, crit: ['exp'] }, { ...CLAIMS, nonce: 'x' }),
    said(HEADER, { ...CLAIMS, events: { [EVENT]: [] } }),
    said(HEADER, { ...CLAIMS, events: [EVENT], sub: '' }),
    said(HEADER, { ...CLAIMS, iat: NOW_S - 661, exp: NOW_S + 9e9 }),
    said(HEADER, { ...CLAIMS, sub: 'htpasswd:ada' }),
  ],
  words: [
    ...'" : , { } [ ] null true 0 -1 1e999 "alg":"none" "alg":"HS256" "kid":"two" "b64":false "crit":[] "typ":"JWT" "typ":1'.split(
      ' ',
    ),
    ...'"sub":"" "sub":1 "sid":"x" "sid":{} "nonce":"x" "iat" "exp" "nbf" "jti":"" "jti" "events":{} {} "gate" ["gate"] ["gate",1]'.split(
      ' ',
    ),
    ...`"${EVENT}" 1800000000 1799999339 9e15 "__proto__":{} \\u0000 . = A`.split(' '),
  ],
  maxBytes: 700,
  open: () => ({
    async attempt(input) {
      const { token, isOurs } = tokenOf(textOf(input))
      const peeked = peekToken(token)
      const expected = { issuer: ISSUER, clientId: CLIENT, algorithms: ['ES256', 'RS256'], nowMs: NOW_S * 1000 }
      try {
        const ends = await verifyLogoutToken(token, expected, KEYS, ISSUER)
        hold(
          peeked?.issuer === ISSUER && peeked.audiences.includes(CLIENT),
          'whose it is was told before',
          peeked,
          token,
        )
        checkAccepted(token, ends, isOurs)
        return `taken ${isOurs} ${ends.subject === null} ${ends.sid === null}`
      } catch (thrown) {
        if (!(thrown instanceof GateError) || thrown.code !== 'provider.logout_token') throw thrown
        // Shorter ones are in any words.
        hold(token.length < 8 || !`${thrown.message} ${thrown.hint}`.includes(token), 'no token is told', token)
        return `${isOurs} ${thrown.facts.check} ${peeked === null}`
      }
    },
  }),
}

/** Each rule of OpenID Connect Back-Channel Logout 1.0 §2.4 and §2.6 once more, said plainly. */
function checkAccepted(token: string, ends: Awaited<ReturnType<typeof verifyLogoutToken>>, isOurs: boolean): void {
  const [head = '', payload = ''] = token.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString('utf8'))
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
  hold(isOurs || `${head}.${payload}` === RIGHT.slice(0, RIGHT.lastIndexOf('.')), 'it is taken as it was signed', token)
  hold(header.alg === 'ES256' && header.crit === undefined, 'the algorithm is the key’s', header)
  const types = [undefined, 'jwt', 'logout+jwt', 'application/jwt', 'application/logout+jwt']
  hold(types.includes(header.typ?.toLowerCase()), 'a token of another kind is none', header)
  const { iss, aud, sub, sid, iat, exp, nbf, jti, events } = claims
  hold(iss === ISSUER && (aud === CLIENT || (Array.isArray(aud) && aud.includes(CLIENT))), 'by whom, for whom', claims)
  hold(Object.prototype.toString.call(events?.[EVENT]) === '[object Object]', 'it is about a logout', claims)
  hold(!('nonce' in claims), 'no ID token is one', claims)
  hold(typeof jti === 'string' && jti !== '' && ends.id === jti, 'it has a name', claims, ends)
  hold(typeof sub === 'string' || typeof sid === 'string', 'it says who, or which', claims)
  for (const [said, told] of [
    [sub, ends.subject],
    [sid, ends.sid],
  ]) {
    hold(
      said === undefined ? told === null : said === told && said !== '',
      'what it says is what is ended',
      claims,
      ends,
    )
  }
  hold(!/^(?:htpasswd|guest|token):/i.test(sub ?? ''), 'nobody whom we name ourselves', claims)
  hold(typeof iat === 'number' && iat <= NOW_S + 60 && iat >= NOW_S - 600, 'it is new', claims)
  hold(typeof exp === 'number' && exp > NOW_S - 60, 'it is not over', claims)
  hold(nbf === undefined || (typeof nbf === 'number' && nbf <= NOW_S + 60), 'it is good already', claims)
  hold(
    ends.expiresAtMs > NOW_S * 1000 - 60_000 && ends.expiresAtMs <= (NOW_S + 720) * 1000,
    'it is soon forgotten',
    ends,
  )
}
