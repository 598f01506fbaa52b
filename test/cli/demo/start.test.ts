import { afterEach, beforeEach, describe, expect, spyOn, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { runDemo } from '../../../src/cli/demo/run.ts'
import { type Demo, type DemoOptions, startDemo } from '../../../src/cli/demo/start.ts'
import { freePort } from '../../kit/programs/child.ts'

let dir: string
const running: Demo[] = []
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(async () => {
  for (const demo of running.splice(0)) await demo.stop()
  rmSync(dir, { recursive: true })
})

/** A demo whose gate only says which file it was given: these tests are about what stands around it. */
async function start(options: Partial<DemoOptions> = {}, startServe = async (_: string) => ({ async stop() {} })) {
  const demo = await startDemo({ dir: null, port: 0, ...options }, startServe)
  running.push(demo)
  return demo
}

async function run(
  argv: readonly string[],
  stopped: () => Promise<void>,
  startServe = async (_: string) => ({ async stop() {} }),
) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    stdout: (text: string) => void out.push(text),
    stderr: (text: string) => void err.push(text),
    colour: { stdout: false, stderr: false },
    terminal: { stdout: false, stderr: false },
    cwd: dir,
    env: () => undefined,
    readText: () => '',
    readBytes: () => new Uint8Array(),
  }
  return { code: await runDemo(argv, io, startServe, stopped), out: out.join(''), err: err.join('') }
}

const portOf = (address: string) => Number(new URL(address).port)

describe('the folder', () => {
  test('a temporary one has a routes.toml for the gate, and goes at the end', async () => {
    let given = ''
    const demo = await start({}, async path => {
      given = path
      return { async stop() {} }
    })
    expect(demo.configPath).toBe(given)
    expect(readFileSync(given, 'utf8')).toContain(`issuer = "${demo.addresses.provider}"`)
    await demo.stop()
    expect(existsSync(dirname(given))).toBe(false)
  })

  test('a named one is used again, with the edits that were made, on the same ports', async () => {
    const first = await start({ dir, port: await freePort() })
    await first.stop()
    const edited = `${readFileSync(first.configPath, 'utf8')}\n# edited\n`
    writeFileSync(first.configPath, edited)
    const second = await start({ dir, port: null })
    expect(second.addresses).toEqual(first.addresses)
    expect(readFileSync(second.configPath, 'utf8')).toBe(edited)
  })

  test('the files, which hold a secret, are for their owner alone', async () => {
    await start({ dir })
    for (const file of ['routes.toml', 'demo.json']) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600)
  })

  test.each([
    ['that has a routes.toml of its own', null],
    ['whose plan is damaged', '{"port": "8080"'],
  ])('a named one %s is left alone', async (_, plan) => {
    writeFileSync(join(dir, 'routes.toml'), '# mine')
    if (plan !== null) writeFileSync(join(dir, 'demo.json'), plan)
    await expect(start({ dir })).rejects.toMatchObject({ code: 'config.invalid' })
    expect(readFileSync(join(dir, 'routes.toml'), 'utf8')).toBe('# mine')
  })

  test('a named one with a demo.json of somebody else is left alone', async () => {
    writeFileSync(join(dir, 'demo.json'), '{"mine": true}')
    await expect(start({ dir })).rejects.toMatchObject({ code: 'config.invalid' })
    expect(readFileSync(join(dir, 'demo.json'), 'utf8')).toBe('{"mine": true}')
    expect(existsSync(join(dir, 'routes.toml'))).toBe(false)
  })
})

describe('ports', () => {
  test('a port that is named and taken is refused, and nothing is left running or lying about', async () => {
    const holder = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
    const { port } = holder
    const { code, err } = await run(['--port', String(port), '--dir', 'new'], () => Promise.resolve())
    await holder.stop(true)
    expect(code).toBe(1)
    expect(err).toContain(`port ${port} is taken`)
    expect(existsSync(join(dir, 'new', 'routes.toml'))).toBe(false)
  })

  test('where the system chooses all of them, the gate has one of its own', async () => {
    const { serve } = Bun
    let given = 0
    // A system that hands a port out again as soon as it is free.
    const chosen = spyOn(Bun, 'serve').mockImplementation(((
      options: Bun.Serve.HostnamePortServeOptions<undefined> & Bun.Serve.Options<undefined>,
    ) => {
      if (!('port' in options) || options.port !== 0) return serve(options)
      try {
        if (given !== 0) return serve({ ...options, port: given })
      } catch {
        // It is not free.
      }
      const server = serve(options)
      given ||= server.port ?? 0
      return server
    }) as typeof serve)
    const { addresses } = await start().finally(() => chosen.mockRestore())
    const ports = [addresses.app, addresses.provider, addresses.service].map(portOf)
    expect(new Set(ports).size).toBe(3)
    expect(ports[0]).toBe(given)
  })

  test('a kept folder cannot move to another port', async () => {
    const first = await start({ dir })
    await first.stop()
    await expect(start({ dir, port: portOf(first.addresses.app) + 1 })).rejects.toMatchObject({ code: 'listen.failed' })
  })

  test('the provider answers on every address that localhost can mean', async () => {
    const demo = await start()
    const port = portOf(demo.addresses.provider)
    const answers = await Promise.all(
      [demo.addresses.provider, `http://127.0.0.1:${port}`].map(async origin => {
        const reply = await fetch(`${origin}/.well-known/openid-configuration`)
        return Object(await reply.json()).issuer
      }),
    )
    expect(answers).toEqual([demo.addresses.provider, demo.addresses.provider])
  })

  test('when the gate cannot start, the provider and the service stop too', async () => {
    let config = ''
    const failing = start({ dir, port: await freePort() }, async path => {
      config = readFileSync(path, 'utf8')
      throw new Error('no gate')
    })
    await expect(failing).rejects.toThrow('no gate')
    const issuer = /issuer = "(.*)"/.exec(config)?.[1] ?? ''
    await expect(fetch(issuer)).rejects.toThrow('Unable to connect')
  })
})

describe('the command', () => {
  test('says what to open, who to be and what to edit, then waits and stops', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const ended: string[] = []
    const running = run(
      ['--port', '0', '--dir', '.'],
      () => promise,
      async () => {
        setTimeout(resolve, 0)
        return { stop: async () => void ended.push('gate') }
      },
    )
    const { code, out } = await running
    expect(code).toBe(0)
    expect(ended).toEqual(['gate'])
    expect(out).toMatch(/Open\s+http:\/\/app\.localhost:\d+/)
    for (const part of ['Ada', 'Grace', 'Guest', join(dir, 'routes.toml'), 'Ctrl-C']) expect(out).toContain(part)
    expect(out).not.toContain('\x1b')
  })

  test('can be stopped from its first moment on', async () => {
    let isHeard = false
    const wasHeard: boolean[] = []
    await run(
      ['--port', '0'],
      async () => {
        isHeard = true
      },
      async () => {
        wasHeard.push(isHeard)
        return { async stop() {} }
      },
    )
    expect(wasHeard).toEqual([true])
  })

  test.each([[['--port', 'x']], [['--port', '70000']], [['--prot', '1']], [['extra']]])(
    '%p is refused with exit code 2 and the usage',
    async argv => {
      const { code, err } = await run(argv, () => Promise.reject(new Error('must not start')))
      expect(code).toBe(2)
      expect(err).toContain('--dir DIR')
    },
  )
})
