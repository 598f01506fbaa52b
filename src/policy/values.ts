import { compileStars } from '../base/stars.ts'
import { decodeOnce } from '../route/readings.ts'
import type { Truth } from './truth.ts'

/**
 * Every way in which an application may read the values of a field or of a name in the query: each entry is one way, and holds the
 * values that are there by it. An empty way: there is none.
 */
type Readings = readonly (readonly string[])[]

/**
 * Whether values are as one of some patterns say, whole and in this letter case. `yes`: there is one by each reading, and all of them
 * are. `no`: none is, by any reading.
 */
export function compileValues(patterns: readonly string[]): (readings: Readings) => Truth {
  const tests = patterns.map(compileStars)
  const isOne = (value: string) => tests.some(test => test(value))
  return readings => {
    let truth: Truth | null = null
    for (const values of readings) {
      const held = values.filter(isOne).length
      const one: Truth = held === 0 ? 'no' : held === values.length ? 'yes' : 'unknown'
      if (truth !== null && one !== truth) return 'unknown'
      truth = one
    }
    return truth ?? 'no'
  }
}

/**
 * The same of a field's value. What is parted by every comma, also by those in quotes and brackets, keeps what is not as the patterns say
 * from being certain: lines of a repeated field may open and close them.
 */
export function compileFieldValue(patterns: readonly string[]): (value: string) => Truth {
  const judge = compileValues(patterns)
  return value => {
    const truth = judge(fieldReadings(value))
    if (truth !== 'no' || !value.includes(',')) return truth
    return judge([splitAtCommas(value)]) === 'no' ? 'no' : 'unknown'
  }
}

/**
 * The values of a field. Bun 1.4.5 joins the lines of a repeated field with `, `, so a value with a comma looks the
 * same. It is read in both ways: as one value, and as several. A comma in quotes or in brackets, as in `(KHTML, like
 * Gecko)`, does not separate values (RFC 9110 §5.6.4, §5.6.5).
 */
function fieldReadings(value: string): Readings {
  if (!value.includes(',')) return [[value]]
  const apart = splitList(value)
  return apart.length === 1 ? [apart] : [[value], apart]
}

function splitList(value: string): readonly string[] {
  const values: string[] = []
  let [start, depth, isQuoted] = [0, 0, false]
  for (let at = 0; at < value.length; at++) {
    const character = value[at]
    if (character === '\\' && (isQuoted || depth > 0)) at++
    else if (character === '"') isQuoted = !isQuoted
    else if (isQuoted) continue
    else if (character === '(') depth++
    else if (character === ')' && depth > 0) depth--
    else if (character === ',' && depth === 0) {
      values.push(value.slice(start, at).trim())
      start = at + 1
    }
  }
  // What is never closed parts nothing from nothing: then every comma may.
  if (isQuoted || depth > 0) return splitAtCommas(value)
  values.push(value.slice(start).trim())
  return values
}

function splitAtCommas(value: string): readonly string[] {
  return value.split(',').map(one => one.trim())
}

/**
 * The values of a name in a query, raw and decoded, a plus as itself and as a blank, and with `;` as what parts two of them too, as some
 * applications have it.
 */
export function queryReadings(query: string, name: string): Readings {
  if (query.length < 2) return [[]]
  const pairs = query.slice(1)
  const splits = pairs.includes(';') ? [pairs.split('&'), pairs.split(/[&;]/)] : [pairs.split('&')]
  return splits.flatMap(split => {
    const isPlain = !/[%+]/.test(pairs)
    const ways = isPlain ? [(text: string) => text] : [(text: string) => text, decoded, formDecoded]
    return ways.map(read =>
      split.flatMap(pair => {
        const equals = pair.indexOf('=')
        const [own, value] = equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
        return read(own) === name ? [read(value)] : []
      }),
    )
  })
}

function formDecoded(text: string): string {
  return decoded(text.replaceAll('+', ' '))
}

/** Malformed escapes stay as they are. */
function decoded(text: string): string {
  return Buffer.from(decodeOnce(text), 'latin1').toString('utf8')
}
