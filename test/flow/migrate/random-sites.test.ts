import { expect } from 'bun:test'
import { needs } from '../../kit/needs.ts'
import { openBeside, type Round } from '../../migrate/beside-caddy.ts'

/** So many requests to each of so many Caddyfiles. */
const [ROUNDS, REQUESTS] = [10, 200]
/** Seeds by which something was found, and mended. */
const FOUND = [41, 78]

const { test } = needs('caddy')

test('a gate that has lost its refusals is seen to be open', async () => {
  await using beside = await openBeside()
  const { opened } = await beside.round(1, 200, routes => routes.replaceAll(/^deny = .*$/gm, ''))
  expect(opened.length).toBeGreaterThan(0)
})

/** How much of what an application answers behind Caddy it has to answer here too: of 120 made-up files it was seven tenths of all, a fifth of the lowest. */
const REACHED = 0.4

test('nothing opens in what is made of made-up Caddyfiles, and most of what Caddy let through reaches the same application', async () => {
  const first = Number(process.env.SITES_SEED ?? 1)
  console.log(`seed ${first}: SITES_SEED=${first} makes the same again`)
  await using beside = await openBeside()
  const rounds: Round[] = []
  for (let index = 0; index < ROUNDS; index++) rounds.push(await beside.round(first + index, REQUESTS))
  expect(rounds.flatMap(({ seed, opened }) => opened.map(one => `seed ${seed}: ${one}`))).toEqual([])
  for (const seed of FOUND) expect((await beside.round(seed, 50)).opened).toEqual([])
  const sum = (count: (round: Round) => number) => rounds.reduce((total, round) => total + count(round), 0)
  const requests = sum(round => round.requests)
  expect(requests).toBe(ROUNDS * REQUESTS)
  expect(sum(round => round.both) / sum(round => round.there)).toBeGreaterThan(REACHED)
  // A path with an encoded slash may be another application's, where both are open.
  expect(sum(round => round.elsewhere.length) / requests).toBeLessThan(0.02)
}, 300_000)
