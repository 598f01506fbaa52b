import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { manyRoutes } from '../../kit/many-routes.ts'

const ROUTES = 2000

test('a route costs 4.2 KiB at most, and reading the file again leaves nothing behind', async () => {
  const command = [process.execPath, join(import.meta.dir, '../../kit/many-routes.ts'), String(ROUTES)]
  const child = Bun.spawn(command, { stdout: 'pipe', stderr: 'inherit' })
  const said: { readonly routes: number; readonly kept: number; readonly added: number } = JSON.parse(
    await new Response(child.stdout).text(),
  )
  const { routes, kept, added } = said
  expect(routes).toBe(ROUTES)
  expect(kept / ROUTES).toBeLessThan(4300)
  expect(added / ROUTES).toBeLessThan(1024)
}, 300_000)

test('parts of routes that say the same are one, and no two routes are', () => {
  const [one, other] = manyRoutes(2).config.routes
  if (one === undefined || other === undefined) throw new TypeError('there are two')
  expect(one).not.toBe(other)
  expect([one.host, other.host]).toEqual(['app0.example.com', 'app1.example.com'])
  for (const key of ['upstream', 'allow', 'requestRules', 'headers', 'app', 'deny'] as const) {
    expect(one[key] === other[key]).toBe(true)
  }
  expect(Object.isFrozen(one) && Object.isFrozen(one.deny) && Object.isFrozen(one.app)).toBe(true)
})
