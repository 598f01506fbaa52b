import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { openField } from '../bench/field.ts'
import { traefik } from '../bench/others/traefik.ts'
import { readOthers } from '../bench/others/with.ts'
import { bareBun } from '../bench/peers.ts'
import { freePort, stopChildren } from '../bench/process.ts'
import { measureRounds } from '../bench/rounds.ts'
import type { Front, Trust } from '../bench/subject.ts'
import { temporaryFolder } from '../kit/folder.ts'

const RUN = join(import.meta.dir, '../bench/run.ts')
const NO_TRUST: Trust = { caFile: '', serverName: '', certFile: '', keyFile: '', bothFile: '' }

/** One front before a small answer. */
async function fronts(upstream: number): Promise<readonly Front[]> {
  return [{ name: 'app', port: await freePort(), upstream }]
}

test('a proxy that does not start is named with what it said, and the others are measured', async () => {
  using folder = temporaryFolder()
  const upstream = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') })
  const broken = traefik('/bin/false', folder.path, await fronts(upstream.port ?? 0))
  const good = bareBun(await fronts(upstream.port ?? 0), NO_TRUST)
  const field = openField([broken, good])
  try {
    let asked = 0
    for (const subject of field.offering('app')) {
      await field.with(subject, async () => {
        const { port, headers } = subject.way('app')
        expect(await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text()).toBe('here')
        asked++
      })
    }
    expect(asked).toBe(1)
    expect(field.failures).toEqual([{ name: 'Traefik', why: expect.stringContaining('/bin/false exited 1 by itself') }])
    expect(field.offering('app')).toEqual([good])
    expect(await field.with(broken, async () => 'measured')).toBeNull()
  } finally {
    await stopChildren()
    await upstream.stop(true)
  }
})

test('one that fails in the middle is started anew once, and out when it fails again', async () => {
  const upstream = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('here') })
  const subject = bareBun(await fronts(upstream.port ?? 0), NO_TRUST)
  const field = openField([subject])
  try {
    const first = await field.with(subject, async child => child.pids[0])
    let tries = 0
    const second = await field.with(subject, async child => {
      if (tries++ === 0) throw new Error('401: the session ran out')
      return child.pids[0]
    })
    expect(second).toBeNumber()
    expect(second).not.toBe(first)
    expect(field.failures).toEqual([])
    const fails = async () => {
      throw new Error('requests failed', { cause: new Error('refused') })
    }
    expect(await field.with(subject, fails)).toBeNull()
    expect(field.failures).toEqual([{ name: subject.name, why: 'requests failed: refused' }])
    const cells = [{ subject, front: 'app', load: { seconds: 1, connections: 1 } }] as const
    expect(await measureRounds('nobody is left', field, cells, 1)).toEqual([null])
  } finally {
    await stopChildren()
    await upstream.stop(true)
  }
})

test('--with names programs that somebody has; what is missing is said, and what is wrong refused', async () => {
  const { paths, leftOut } = readOthers(['oauth2-proxy=/bin/true', 'tinyauth=/not/there'])
  expect([...paths]).toEqual([['oauth2-proxy', '/bin/true']])
  expect(leftOut.map(({ name }) => name)).toEqual(['caddy-security', 'traefik', 'tinyauth'])
  expect(leftOut.at(-1)?.why).toBe('/not/there is no program')
  for (const wrong of ['nginx=/bin/true', 'traefik', 'traefik=']) expect(() => readOthers([wrong])).toThrow('NAME=PATH')
  const child = Bun.spawn([process.execPath, RUN, '--with', 'nginx=/bin/true'], { stdout: 'pipe', stderr: 'pipe' })
  const [status, said] = await Promise.all([child.exited, new Response(child.stderr).text()])
  expect([status, said]).toEqual([2, expect.stringContaining('bench: --with takes NAME=PATH')])
})
