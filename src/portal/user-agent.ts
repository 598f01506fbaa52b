/** A browser and its system in a few words, by User-Agent. */

import type { Words } from './words/words.ts'

/** Programs by what their User-Agent has in it; the first that fits, since many claim to be others too. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\/|\bEdgiOS\//, 'Edge'],
  [/\bOPR\/|\bOpera\b/, 'Opera'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/Chrome\/|\bCriOS\/|\bChromium\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
]

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
]

const MAX_LENGTH = 60

/**
 * A User-Agent in the few words by which a person knows a device: "Firefox on Linux"; empty where nothing is said.
 *
 * What is no known browser is shown by its first word, cut short: anyone may write anything there.
 */
export function describeAgent(userAgent: string | null): string {
  if (userAgent === null || userAgent.trim() === '') return ''
  const find = (names: typeof BROWSERS) => names.find(([sign]) => sign.test(userAgent))?.[1]
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)]
  if (browser !== undefined) return system === undefined ? browser : `${browser} on ${system}`
  const first = userAgent.replace(/[^\x20-\x7e]/g, '').split(/[\s(]/)[0] ?? ''
  return first.slice(0, MAX_LENGTH)
}

/** The same of the browser that asks, in the language of a page: what a passkey that it makes is called at first. */
export function agentOf({ headers }: Request, words: Pick<Words, 'on' | 'passkeys'>): string {
  return describeAgent(headers.get('user-agent')).replace(' on ', ` ${words.on} `) || words.passkeys.heading
}
