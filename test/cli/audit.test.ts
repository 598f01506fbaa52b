import { describe, expect, test } from 'bun:test'
import { runAudit } from '../../src/cli/audit.ts'
import { runSessions } from '../../src/cli/sessions.ts'
import { runTokens } from '../../src/cli/tokens.ts'
import { openSessionState } from '../../src/process/session-state.ts'
import { quietPorts } from '../kit/clock.ts'
import { createToken, runOn } from '../kit/commands.ts'
import { configOf, type Gate, PORTAL, startGate } from '../kit/gate.ts'
import { untilTheEnd } from '../kit/opened.ts'
import { routeSaying } from '../kit/toml.ts'

const TOML = `[audit]\nkeep = "90d"\n${PORTAL}${routeSaying('in', 'app.test', 'portal = "home"\nallow = ["user"]')}`
const keep = untilTheEnd()
const gate = keep(await startGate(TOML))

async function write(at: Gate, act: (audit: ReturnType<typeof openSessionState>['audit']) => Promise<void>) {
  const { audit, sessions } = openSessionState(configOf(at), quietPorts({ now: Date.now }))
  await act(audit)
  await sessions.close()
}

const shown = async (...argv: string[]) =>
  (await runOn(gate, runAudit, ['--json', ...argv])).out
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

describe('sallyport audit', () => {
  test('shows what operators did, and finds it by who, event and age', async () => {
    const { sessionId } = await gate.signIn('app.test', { sub: 'ada', preferred_username: 'ada.l' })
    await runOn(gate, runSessions, ['revoke', '--', sessionId])
    const { id } = await createToken(gate)
    await runOn(gate, runTokens, ['revoke', id])
    const all = await shown()
    expect(all.map(({ event }) => event)).toEqual(['token.revoked', 'token.made', 'sign_out.by_operator'])
    expect(all.every(({ by }) => by === 'operator')).toBe(true)
    expect(await shown('--who', 'ADA.L')).toEqual([expect.objectContaining({ user: 'ada' })])
    expect((await shown('--event', 'token')).map(({ token }) => token)).toEqual([id, id])
    expect(await shown('--since', '1h')).toHaveLength(3)
    expect(await shown('--since', '2099-01-01')).toEqual([])
    const { out } = await runOn(gate, runAudit, ['--event', 'sign_out'])
    expect(out).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ {2}sign_out\.by_operator +user=ada name=ada\.l .*by=operator/)
  })

  test('erases somebody, whatever they did, and nobody else; that it was done stays', async () => {
    await write(gate, async audit => {
      for (const user of ['eve', 'bob']) await audit.keep('sign_in', { user, provider: 'id', client: '192.0.2.7' })
      await audit.keep('sign_out.by_admin', { user: 'bob', provider: 'id', by: 'eve' })
      await audit.keep('sign_in', { user: 'eve', provider: 'work' })
    })
    const erase = (...argv: string[]) => runOn(gate, runAudit, ['--erase', ...argv])
    expect((await erase('eve', '--provider', 'work')).out).toBe('1 row erased\n')
    expect(await shown('--who', 'eve')).toHaveLength(2)
    expect((await erase('eve')).out).toBe('2 rows erased\n')
    expect(await shown('--who', 'eve')).toEqual([])
    expect(await shown('--who', 'bob')).toHaveLength(1)
    const told = await shown('--event', 'audit.erased')
    expect(told.map(({ number, by }) => [number, by])).toEqual([
      [2, 'operator'],
      [1, 'operator'],
    ])
    expect(JSON.stringify(told)).not.toContain('"eve"')
  })

  test('nothing in a row drives a terminal', async () => {
    await write(gate, audit => audit.keep('sign_in', { user: 'mallory', agent: '\x1b[2J\u202eevil\nline' }))
    const { out } = await runOn(gate, runAudit, ['--who', 'mallory'])
    expect(out.split('\n')).toHaveLength(2)
    for (const one of ['\x1b', '\u202e']) expect(out).not.toContain(one)
  })

  test.each([
    [['--event', 'sing_in'], 'there is no event "sing_in": did you mean "sign_in"?'],
    [['--since', 'lately'], '--since is a duration or a date, not "lately"'],
    [['--provider', 'id'], '--provider says where --erase SUBJECT signed in'],
    [['--erase', 'ada', '--who', 'ada'], '--erase takes nothing of what is looked for by'],
    [['--erase', ''], 'an empty name matches no user'],
  ])('%j is wrong usage', async (argv, why) => {
    const { code, err } = await runOn(gate, runAudit, argv)
    expect([code, err.split('\n')[0]]).toEqual([2, why])
  })

  test('says what would keep rows where none are kept', async () => {
    await using other = await startGate(TOML.replace('[audit]\nkeep = "90d"\n', ''))
    const { code, out, err } = await runOn(other, runAudit, [])
    expect([code, out]).toEqual([0, 'Nothing is recorded.\n'])
    expect(err).toContain('[audit] keep = "90d"')
  })
})
