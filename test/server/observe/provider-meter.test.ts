import { expect, test } from 'bun:test'
import { type Code, GateError } from '../../../src/base/errors.ts'
import type { ProviderClient, ProviderPool, RefreshResult } from '../../../src/identity/provider.ts'
import { createProviderMeter } from '../../../src/server/observe/provider-meter.ts'
import { providerConfig } from '../../kit/provider/config.ts'
import { SILENT } from '../../kit/toml.ts'

/** A pool whose only provider answers each question with what is at hand, or throws it. */
function measured(answer: () => unknown) {
  const config = providerConfig(SILENT, { name: 'id' })
  const reply = async () => {
    const given = answer()
    if (given instanceof Error) throw given
    return given
  }
  const client = { config, begin: reply, finish: reply, refresh: reply, introspect: reply, readLogoutToken: reply }
  const pool: ProviderPool = { client: () => client as unknown as ProviderClient, retain() {}, askAnew() {} }
  const meter = createProviderMeter(() => 0)
  meter.retain(['id'])
  const watched = meter.watch(pool).client(config)
  /** Series that are not 0, without what is the same for all of them. */
  const told = () =>
    Object.fromEntries(
      meter
        .families()
        .filter(({ kind }) => kind === 'counter')
        .flatMap(({ series }) => [...series])
        .filter(([, value]) => value > 0)
        .map(([name, value]) => [name.replace('provider="id",', '').replace('sallyport_', ''), value]),
    )
  return { meter, watched, told, isSame: meter.watch(pool).client(config) === watched }
}

const failed = (code: Code) => new GateError(code, 'as a test has it')

test.each(['renewed', 'ended', 'unclear'] as const)('a refresh that comes to %s is counted as that', async kind => {
  const { watched, told } = measured(() => ({ kind }) as RefreshResult)
  await watched.refresh({} as Parameters<ProviderClient['refresh']>[0])
  expect(told()).toEqual({ [`refreshes_total{result="${kind}"}`]: 1 })
})

test('a provider that fails at a refresh is told with the refresh', async () => {
  const { watched, told, isSame } = measured(() => failed('provider.down'))
  const refreshing = watched.refresh({} as Parameters<ProviderClient['refresh']>[0])
  expect(await refreshing.catch((thrown: GateError) => thrown.code)).toBe('provider.down')
  expect(told()).toEqual({ 'refreshes_total{result="failed"}': 1, 'provider_errors_total{code="down"}': 1 })
  expect(isSame).toBe(true)
})

const ENDS: readonly (readonly [Code, Readonly<Record<string, number>>])[] = [
  ['provider.refused', { 'sign_ins_total{result="refused"}': 1 }],
  ['provider.subject', { 'sign_ins_total{result="refused"}': 1 }],
  ['sign_in.step_up', { 'sign_ins_total{result="refused"}': 1 }],
  ['provider.issuer', { 'sign_ins_total{result="failed"}': 1 }],
  ['provider.token', { 'sign_ins_total{result="failed"}': 1, 'provider_errors_total{code="token"}': 1 }],
  ['provider.id_token', { 'sign_ins_total{result="failed"}': 1, 'provider_errors_total{code="id_token"}': 1 }],
]

test.each(ENDS)('a sign-in that ends with %s', async (code, expected) => {
  const { watched, told } = measured(() => failed(code))
  await watched.finish(new URLSearchParams(), {} as Parameters<ProviderClient['finish']>[1]).catch(() => undefined)
  expect(told()).toEqual(expected)
})

test('a logout token that a stranger made up is no failure of a provider', async () => {
  const { watched, told } = measured(() => failed('provider.logout_token'))
  await watched.readLogoutToken('x').catch(() => undefined)
  expect(told()).toEqual({})
})

test('a provider that the file does not name any more is one of the others', () => {
  const { meter, told } = measured(() => null)
  meter.completed('gone')
  expect(told()).toEqual({ 'sign_ins_total{provider="(others)",result="completed"}': 1 })
})
