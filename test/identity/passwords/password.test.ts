import { expect, test } from 'bun:test'
import { hashFault } from '../../../src/config/values/htpasswd.ts'
import { plainUser } from '../../../src/config/values/users-file.ts'
import {
  hashOfNone,
  hashPassword,
  isHashOfNone,
  parseBasic,
  passwordIdentity,
  verifyPassword,
} from '../../../src/identity/passwords/password.ts'
import { quietPorts } from '../../kit/clock.ts'

/** Made by Apache's htpasswd, by OpenSSL and by the reference implementation of Argon2: the password, then its hash. */
const GOOD: readonly (readonly [string, string])[] = [
  ['secret', '$2y$05$943bW.8ypxR06UthhB49iujMsGOis0z02KZGxZDx7c7w2a6DxBfpG'],
  ['pä ss', '$2y$10$xBBQP37soJV9RuXKgxVNB.6SU/.w6pV0l6SakU5ZDlbd3dByQo2we'],
  ['a'.repeat(80), '$2y$04$S8ESG52/KhXJMI6RoydQ9ul4phImGGH1.lfI4Q.F6gjc7nEzu1P8a'],
  ['secret', '$apr1$kGV7KaZJ$L.00XyEv1jmg6rt57bNIR/'],
  ['secret', '$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/'],
  ['', '$apr1$a$lsAcX0kKaMIVmrCtUuk5b0'],
  ['pä ss wörd that is longer than sixteen bytes', '$apr1$xyz1$gAtvpime0AsN/CbgNwos4.'],
  [
    'x',
    '$argon2i$v=19$m=8192,t=1,p=1$xZegFQt/vmzluzH1m6lVcz9nuNEOIgXwTbjt8VwXi3c$iev35KB/E2iYe4ivsGB524NHqb1aQkwMJ7DbC06+pqw',
  ],
  [
    'x',
    '$argon2id$v=19$m=8192,t=1,p=1$pIe4AdfevBO/ME/eXXqLAORpLDg7LapP50D5btkusK0$zEAxi/QSqLbIy5CMmSThu0OoWJ+Dn9HphD9YDh8wei4',
  ],
]

test.each(GOOD)('%j has its hash, and nothing like it has', async (password, hash) => {
  expect(await verifyPassword(password, hash)).toBe(true)
  for (const other of [`${password}x`.slice(-70), `${password.toUpperCase()}!`, ` ${password}`]) {
    expect(await verifyPassword(other, hash)).toBe(false)
  }
})

test('a hash of no password is read, and tried, like that of any other, and is another one each time', async () => {
  const { random } = quietPorts(Date)
  const [none, other] = [hashOfNone(random), hashOfNone(random)]
  const real = await hashPassword('secret')
  const partsOf = (hash: string) => hash.split('$').map((part, at) => (at > 3 ? part.length : part))
  expect([hashFault(none), partsOf(none), none === other]).toEqual([null, partsOf(real), false])
  expect([none, other, real].map(isHashOfNone)).toEqual([true, true, false])
  // It does not throw: a hash that cannot be read would be answered at once.
  for (const guess of ['', 'secret', '\0'.repeat(32)]) expect(await Bun.password.verify(guess || ' ', none)).toBe(false)
})

test('a password that nobody types is not hashed: the time for Apache’s MD5 grows with it, and nothing else is answered in it', async () => {
  for (const [password, isHashed] of [
    ['é'.repeat(1024), true],
    [`${'é'.repeat(1024)}x`, false],
  ] as const) {
    const hash = await Bun.password.hash(password, { algorithm: 'argon2id', memoryCost: 8, timeCost: 1 })
    expect(await verifyPassword(password, hash)).toBe(isHashed)
  }
})

test('what is no hash is nobody’s', async () => {
  for (const hash of [
    '',
    'secret',
    '$2y$',
    '$2y$99$x',
    '$apr1$',
    '$apr1$abc',
    '$argon2id$',
    '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=',
  ]) {
    expect([hash, await verifyPassword('secret', hash)]).toEqual([hash, false])
  }
})

const basic = (bytes: string | Uint8Array) => `Basic ${Buffer.from(bytes).toString('base64')}`

test('RFC 7617 §2: a name ends at the first colon, and both are UTF-8', () => {
  expect(parseBasic(basic('ada:a:b'))).toEqual({ name: 'ada', password: 'a:b' })
  expect(parseBasic(basic(':'))).toEqual({ name: '', password: '' })
  expect(parseBasic(basic('gäst:雪').replace('Basic', 'bAsIc  '))).toEqual({ name: 'gäst', password: '雪' })
})

test('what cannot be read is refused, and another scheme is none of ours', () => {
  const malformed = [
    'Basic',
    'Basic ',
    'Basic !!!!',
    `${basic('ada:x')} `,
    `${basic('ada:x')}, ${basic('bob:y')}`,
    basic('ada'),
    basic('ada:x\ny'),
    basic('a\0da:x'),
    basic('ada:x\u007f'),
    basic(new Uint8Array([0x61, 0x3a, 0xff, 0xfe])),
    basic(`ada:${'x'.repeat(4000)}`),
  ]
  for (const field of malformed)
    expect([field.slice(0, 40), parseBasic(field)]).toEqual([field.slice(0, 40), 'malformed'])
  for (const field of ['', 'Bearer x', 'Digest username="a"', 'Basics YTpi', 'xBasic YTpi']) {
    expect([field, parseBasic(field)]).toEqual([field, null])
  }
})

test('whoever a file names is nobody that a provider could name', () => {
  const entry = plainUser('a hash')
  const users = { entries: new Map([['ada', entry]]), totp: new Map(), groups: [] }
  expect(passwordIdentity(users, 'ada', entry)).toMatchObject({
    provider: 'htpasswd',
    issuer: '',
    subject: 'htpasswd:ada',
    name: 'ada',
    preferredUsername: 'ada',
    email: null,
    groups: [],
  })
})
