/**
 * Opens the address that `npm run demo` prints, as a browser without a session would, and says what it meets.
 *
 * Usage: bun .ci/sign-in-page.ts ADDRESS. Exits 1 unless redirects end at a page on another host with a form to sign in.
 */
import { BrowserLite } from '../test/kit/browser/browser-lite.ts'

const [address = ''] = process.argv.slice(2)
const { address: end, response, text } = await new BrowserLite().open(address)
const title = /<title>([^<]*)<\/title>/.exec(text)?.[1] ?? 'no title'
console.log(`${address} leads to ${end.origin}: ${response.status}, "${title}"`)
const isSignIn =
  response.status === 200 && end.origin !== new URL(address).origin && /<form[^>]*method="post"/i.test(text)
process.exit(isSignIn ? 0 : 1)
