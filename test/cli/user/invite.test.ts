import { expect, test } from 'bun:test'
import { startGate } from '../../kit/gate.ts'
import { untilTheEnd } from '../../kit/opened.ts'
import { runInviteOn, startPasskeyGate, user } from '../../kit/passkey-gate.ts'

const keep = untilTheEnd()

const portal = (name: string, url: string) =>
  `[portals.${name}]\n${url === '' ? '' : `url = "${url}"\n`}providers = ["people"]\nroles.user = { any = true }\n[[routes]]\nhost = "${name}.localhost"\nrespond = { body = "x" }\nportal = "${name}"\nallow = ["user"]\n`

const gateWith = async (...portals: readonly string[]) =>
  keep(
    await startGate(`[providers.people]\nusers = "users.toml"\n${portals.join('')}`, {
      files: { 'users.toml': user('ada') },
    }),
  )

test('an invitation is printed alone on standard output, for scripts, and what to know of it beside', async () => {
  await using gate = await startPasskeyGate()
  const { code, out, err } = await runInviteOn(gate, ['ada'])
  expect([code, out]).toEqual([0, expect.stringMatching(/^http:\S+\/invitation\?link=si_[A-Za-z0-9_-]{43}\n$/)])
  expect(err).toContain('Give this link to ada only')
  expect(err).not.toMatch(/\bsi_/)
})

test('whom nobody can invite is said with the way out, and nothing is made', async () => {
  const two = await gateWith(portal('one', 'http://one.localhost:1'), portal('two', 'http://two.localhost:1'))
  const none = await gateWith(portal('bare', ''))
  const cases: readonly (readonly [gate: typeof two, argv: readonly string[], code: number, says: string])[] = [
    [two, ['eve'], 1, 'no users file of a provider has eve: add the user with "sallyport user add"'],
    [two, ['ada'], 1, 'say --portal one or two'],
    [two, ['ada', '--portal', 'three'], 1, 'the file has no portal three'],
    [none, ['ada'], 1, 'ada can have no passkey at bare'],
    [
      none,
      ['ada'],
      1,
      'write url = "https://auth.example.com" in [portals.bare], or for a try on this machine url = "http://auth.localhost',
    ],
    [two, [], 2, 'whose name'],
    [two, ['ada', 'eve'], 2, 'invite takes one name'],
    [two, ['ada', '--config', 'other.toml'], 1, 'other.toml'],
  ]
  for (const [gate, argv, code, says] of cases) {
    const ran = await runInviteOn(gate, argv)
    expect([ran.code, ran.out, ran.err.includes(says) || ran.err]).toEqual([code, '', true])
  }
  expect((await runInviteOn(two, ['ada', '--portal', 'two'])).out).toStartWith('http://two.localhost:1/')
})
