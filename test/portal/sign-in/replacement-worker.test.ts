import { expect, test } from 'bun:test'
import { runInNewContext } from 'node:vm'
import { REPLACEMENT_WORKER } from '../../../src/portal/sign-in/replacement-worker.ts'

const ORIGIN = 'https://app.example.com'
const LOGIN = `${ORIGIN}/.sallyport/login`

interface Browser {
  /** Whether the application has a worker at work here. */
  readonly hasWorker?: boolean
  /** Addresses of open windows. */
  readonly windows?: readonly string[]
  readonly frames?: readonly string[]
  /** Addresses of windows in the background. */
  readonly hidden?: readonly string[]
  readonly isSubscribed?: boolean
  /** Which load of its windows each look meets: another number where they were reloaded since, null amid that. The last one stays. */
  readonly loads?: readonly (number | null)[]
  /** What is said to who asks for a path: a status, and the member `sign_in` of the body. */
  readonly says?: (path: string) => readonly [status: number, signIn: unknown]
}

/** What the worker does in such a browser, in order; a navigation never ends, as it would not before the worker is active. */
async function run({
  hasWorker = true,
  windows = [],
  frames = [],
  hidden = [],
  isSubscribed,
  loads = [0],
  says,
}: Browser): Promise<unknown[]> {
  const did: unknown[] = []
  const handlers = new Map<string, (event: { waitUntil(work: Promise<unknown>): void }) => void>()
  const note = (what: unknown) => Promise.resolve(void did.push(what))
  let looks = 0
  const loadNow = () => loads[Math.min(looks, loads.length - 1)]
  const client =
    (frameType: string, visibilityState: string, load: number | null | undefined) => (url: string, at: number) => ({
      id: `${frameType} ${visibilityState} ${load} ${at}`,
      url,
      frameType,
      visibilityState,
      navigate(address: string) {
        if (loadNow() !== load) return Promise.reject(new TypeError('The client was not found.'))
        did.push(address)
        return new Promise(() => {})
      },
    })
  const self = {
    addEventListener: (type: string, handler: typeof handlers extends Map<string, infer H> ? H : never) =>
      void handlers.set(type, handler),
    location: new URL(`${ORIGIN}/app/js/sw.js`),
    registration: {
      scope: `${ORIGIN}/app/`,
      active: hasWorker ? {} : null,
      unregister: () => note('gone'),
      pushManager: { getSubscription: () => Promise.resolve(isSubscribed === true ? {} : null) },
    },
    clients: {
      matchAll() {
        const load = loadNow()
        looks++
        if (load === null) return Promise.resolve([])
        return Promise.resolve([
          ...hidden.map(client('top-level', 'hidden', load)),
          ...windows.map(client('top-level', 'visible', load)),
          ...frames.map(client('nested', 'visible', load)),
        ])
      },
      claim: () => note('claimed'),
    },
    skipWaiting: () => note('took over'),
  }
  const fetch = (path: string) => {
    const [status, sign_in] = says?.(path) ?? [401, LOGIN]
    return Promise.resolve({ status, json: () => Promise.resolve({ sign_in }) })
  }
  runInNewContext(REPLACEMENT_WORKER, { self, fetch, URL, setTimeout: queueMicrotask })
  for (const type of ['install', 'activate']) {
    let work: Promise<unknown> = Promise.resolve()
    handlers.get(type)?.({
      waitUntil(promise) {
        work = promise
      },
    })
    const failed = await work.then(
      () => false,
      () => true,
    )
    if (failed) return [...did, 'refused']
  }
  expect([...handlers.keys()]).toEqual(['install', 'activate'])
  // It has looked for the last time.
  await Bun.sleep(0)
  return did
}

test('it takes over, goes, and leads each window to sign in, and back to the very place', async () => {
  expect(await run({ windows: [`${ORIGIN}/app/a?b=1#/c`, `${ORIGIN}/app/`] })).toEqual([
    'took over',
    'claimed',
    'gone',
    `${LOGIN}?return=%2Fapp%2Fa%3Fb%3D1#/c`,
    `${LOGIN}?return=%2Fapp%2F`,
  ])
})

test('a window in the background keeps what somebody has typed there', async () => {
  const led = await run({ windows: [`${ORIGIN}/app/seen`], hidden: [`${ORIGIN}/app/typed`] })
  expect(led).toEqual(['took over', 'claimed', 'gone', `${LOGIN}?return=%2Fapp%2Fseen`])
})

test('it begins no worker, and replaces none while nobody looks at a window that it is for', async () => {
  const refused = ['refused']
  expect(await run({ hasWorker: false, windows: [`${ORIGIN}/app/`] })).toEqual(refused)
  expect(await run({ windows: [] })).toEqual(refused)
  expect(await run({ hidden: [`${ORIGIN}/app/`] })).toEqual(refused)
  expect(await run({ windows: [`${ORIGIN}/other/`], frames: [`${ORIGIN}/app/`] })).toEqual(refused)
})

test.each([
  ['before it takes over', [null, null, 0]],
  ['once it has', [0, null, null, 1]],
  ['while it asks', [0, 0, 1]],
  ['while it asks, and again', [0, 0, null, 1, null, 2]],
])('a window that is being reloaded %s is led to sign in, once', async (_title, loads) => {
  const led = await run({ windows: [`${ORIGIN}/app/here`], loads })
  expect(led).toEqual(['took over', 'claimed', 'gone', `${LOGIN}?return=%2Fapp%2Fhere`])
})

test('a subscription to messages is not ended', async () => {
  expect(await run({ windows: [`${ORIGIN}/app/`], isSubscribed: true })).not.toContain('gone')
})

test.each([
  ['a page for everybody', [200, undefined]],
  ['an application that asks for its own password', [401, undefined]],
  ['an address that is no text', [401, 7]],
  ['an address of another origin', [401, 'https://evil.example/.sallyport/login']],
  ['an address that is none', [401, 'login']],
  ['whoever may not enter', [403, LOGIN]],
] as const)('%s: the window is left alone', async (_title, said) => {
  const windows = [`${ORIGIN}/app/here`, `${ORIGIN}/app/there`]
  const says = (path: string) => (path === '/app/here' ? said : ([401, LOGIN] as const))
  expect(await run({ windows, says })).toEqual(['took over', 'claimed', 'gone', `${LOGIN}?return=%2Fapp%2Fthere`])
})

test('what a step-up asks for goes along, and the address to return to is the window’s', async () => {
  const says = () => [401, `${LOGIN}?max_age=900&return=%2Fapp%2Fjs%2Fsw.js`] as const
  expect(await run({ windows: [`${ORIGIN}/app/vault`], says })).toContain(`${LOGIN}?max_age=900&return=%2Fapp%2Fvault`)
})
