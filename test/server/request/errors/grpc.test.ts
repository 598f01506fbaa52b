import { expect, test } from 'bun:test'
import { problemResponse } from '../../../../src/portal/problem.ts'
import { tellGrpc } from '../../../../src/server/request/errors/grpc.ts'

test.each([
  [302, '16'],
  [303, '16'],
  [308, '2'],
  [400, '13'],
  [401, '16'],
  [403, '7'],
  [404, '12'],
  [405, '12'],
  [408, '4'],
  [413, '8'],
  [418, '2'],
  [429, '14'],
  [500, '13'],
  [501, '12'],
  [502, '14'],
  [503, '14'],
  [504, '14'],
])('%i is told to gRPC as status %s, without a body', async (status, expected) => {
  const told = await tellGrpc(new Response('a page', { status, headers: { location: '/', 'set-cookie': 'a=1' } }))
  expect([told.status, told.body, told.headers.get('grpc-status')]).toEqual([200, null, expected])
  expect([told.headers.get('location'), told.headers.getSetCookie()]).toEqual([null, []])
})

test('the message has the code and the reference, percent-encoded but for printable ASCII', async () => {
  const answer = problemResponse(503, 'session.store', '100 % für\n~', 'ref-1', {}, { 'retry-after': '5' })
  const { headers } = await tellGrpc(answer)
  expect(headers.get('grpc-message')).toBe('100 %25 f%C3%BCr%0A~ (session.store, ref-1)')
  expect(decodeURIComponent(headers.get('grpc-message') ?? '')).toBe('100 % für\n~ (session.store, ref-1)')
  expect(headers.get('retry-after')).toBe('5')
  const signIn = problemResponse(401, 'access.sign_in', 'sign in', 'ref-2', {}, { 'www-authenticate': 'Bearer' })
  expect((await tellGrpc(signIn)).headers.get('www-authenticate')).toBe('Bearer')
})
