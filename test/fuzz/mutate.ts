import type { Random } from './random.ts'
import { bytesOf } from './subject.ts'

/** Characters at which parsers turn. */
const TURNS = bytesOf('\0\t\n\r "#%&\'(),-./0:;<=>?@AZ[\\]_`az{|}~\x7f\x80\xbf\xc0\xe2\xff')

type Mutation = (input: Uint8Array, random: Random, words: readonly Uint8Array[], other: Uint8Array) => Uint8Array

/** A piece of an input: where it begins and ends, never longer than 64 bytes. */
function piece(input: Uint8Array, random: Random): readonly [from: number, to: number] {
  const from = random.below(input.length + 1)
  return [from, Math.min(input.length, from + 1 + random.below(random.below(4) === 0 ? 64 : 8))]
}

function replaced(input: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  return Buffer.concat([input.subarray(0, from), by, input.subarray(to)])
}

const MUTATIONS: readonly Mutation[] = [
  // Another byte, one that is near, or one with a bit turned.
  (input, random) => replaced(input, ...one(input, random), Uint8Array.of(random.below(256))),
  (input, random) => replaced(input, ...one(input, random), Uint8Array.of(random.of([...TURNS]) ?? 0)),
  (input, random) => {
    const [from, to] = one(input, random)
    return replaced(input, from, to, Uint8Array.of((input[from] ?? 0) ^ (1 << random.below(8))))
  },
  // Something more, something less, something twice, something elsewhere.
  (input, random) => replaced(input, ...at(input, random), Uint8Array.of(random.of([...TURNS]) ?? 0)),
  (input, random) => replaced(input, ...piece(input, random), new Uint8Array(0)),
  (input, random) => {
    const [from, to] = piece(input, random)
    return replaced(input, to, to, input.subarray(from, to))
  },
  (input, random) => {
    const [from, to] = piece(input, random)
    const [place] = at(input, random)
    return replaced(input, place, place, input.subarray(from, to))
  },
  // A word of the subject, put in or laid over; more often than the rest.
  ...Array.from({ length: 4 }, (): Mutation => {
    return (input, random, words) => replaced(input, ...at(input, random), random.of(words) ?? new Uint8Array(1))
  }),
  (input, random, words) => replaced(input, ...piece(input, random), random.of(words) ?? new Uint8Array(1)),
  // Parts of another input.
  (input, random, _words, other) => replaced(input, ...piece(input, random), other.subarray(...piece(other, random))),
  (input, random, _words, other) =>
    Buffer.concat([input.subarray(0, at(input, random)[0]), other.subarray(at(other, random)[0])]),
]

function at(input: Uint8Array, random: Random): readonly [number, number] {
  const place = random.below(input.length + 1)
  return [place, place]
}

function one(input: Uint8Array, random: Random): readonly [number, number] {
  const place = random.below(Math.max(1, input.length))
  return [place, Math.min(input.length, place + 1)]
}

/** An input changed in one to four places, at most `maxBytes` long. */
export function mutate(
  input: Uint8Array,
  other: Uint8Array,
  words: readonly Uint8Array[],
  maxBytes: number,
  random: Random,
): Uint8Array {
  let changed = input
  for (let left = 1 + random.below(4); left > 0; left--) {
    changed = random.of(MUTATIONS)?.(changed, random, words, other) ?? changed
  }
  return changed.subarray(0, maxBytes)
}
