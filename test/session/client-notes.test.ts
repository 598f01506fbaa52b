import { expect, test } from 'bun:test'
import { createLackedRefresh, createSignInsSeen } from '../../src/session/client-notes.ts'
import { fakeClock } from '../kit/clock.ts'

const CLIENT = { name: 'id', issuer: 'https://id.example', clientId: 'sallyport' }

test.each([null, '', '{', 'null', '5', '"text"', '[]', '{"completedAtMs":"1","failure":{"atMs":1}}'])(
  'sign-ins of which a store says %p have not been seen, and are noted over it',
  async text => {
    let kept: string | null = text
    const clock = fakeClock()
    const store = {
      readShared: () => kept,
      replaceShared(_: string, before: string | null, after: string) {
        if (before !== kept) return false
        kept = after
        return true
      },
    }
    const { signInsSeen, noteCompleted, noteFailed } = createSignInsSeen(store, clock)
    expect(await signInsSeen(CLIENT)).toEqual({ completedAtMs: null, failure: null })
    await noteFailed(CLIENT, { error: 'provider.away', hint: null })
    await noteCompleted(CLIENT)
    expect(await signInsSeen(CLIENT)).toEqual({ completedAtMs: clock.now(), failure: null })
    const [before, startMs] = [kept, clock.now()]
    // A crowd that signs in at once costs one write.
    clock.advance(4_999)
    await noteCompleted(CLIENT)
    expect(kept).toBe(before)
    clock.advance(1)
    await noteCompleted(CLIENT)
    await noteFailed(CLIENT, { error: 'provider.away', hint: 'wait' })
    expect(await signInsSeen(CLIENT)).toEqual({
      completedAtMs: startMs + 5_000,
      failure: { atMs: startMs + 5_000, error: 'provider.away', hint: 'wait' },
    })
  },
)

test('the terms for which a client lacked a refresh token are news once, and again after they were taken back', async () => {
  let kept: string | null = null
  const notes = createLackedRefresh({
    readShared: () => kept,
    replaceShared(_, before, after) {
      if (before !== kept) return false
      kept = after
      return true
    },
  })
  expect([await notes.noteLackedRefresh(CLIENT, null), await notes.lackedRefresh(CLIENT)]).toEqual([false, null])
  for (const terms of ['a scope', 'another']) {
    expect(await notes.noteLackedRefresh(CLIENT, terms)).toBe(true)
    expect(await notes.noteLackedRefresh(CLIENT, terms)).toBe(false)
    expect(await notes.lackedRefresh(CLIENT)).toBe(terms)
  }
  expect([await notes.noteLackedRefresh(CLIENT, null), await notes.lackedRefresh(CLIENT)]).toEqual([true, null])
  expect(await notes.noteLackedRefresh(CLIENT, 'another')).toBe(true)
})
