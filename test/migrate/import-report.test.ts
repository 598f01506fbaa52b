import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { INSTEAD } from '../../src/migrate/caddy/handlers.ts'
import { runImport } from '../../src/migrate/import.ts'
import { OPTIONS } from '../../src/migrate/oauth2-proxy/options.ts'
import { temporaryFolder } from '../kit/folder.ts'
import { runIn } from '../kit/io.ts'
import { caddyJson } from './caddy/caddy-json.ts'
import { imported } from './imported.ts'
import { POCKET_ID_CADDY, POCKET_ID_CFG } from './set-ups.ts'

const CFG = POCKET_ID_CFG.replaceAll('ISSUER', 'https://id.example.com')
const CADDY = POCKET_ID_CADDY.replaceAll('ISSUER', 'https://id.example.com')

/** The lines of the report for people. */
async function reported(text: string, ...options: readonly string[]): Promise<readonly string[]> {
  using folder = temporaryFolder()
  writeFileSync(`${folder.path}/old`, text)
  const { err } = await runIn(folder.path, io => runImport(['old', ...options], io))
  return err.trimEnd().split('\n')
}

/** Its headings, which stand at the margin above what they are about. */
function headings(report: readonly string[]): readonly string[] {
  return report.filter((line, index) => /^\S/.test(line) && report[index + 1]?.startsWith('  ') === true)
}

const recorded = (pattern: string) =>
  [...new Bun.Glob(pattern).scanSync({ cwd: `${import.meta.dir}/../recorded`, absolute: true })].toSorted()

describe('the report is shorter than the file', () => {
  for (const [name, text] of [
    ['oauth2-proxy.cfg', CFG],
    ['caddy.json', CADDY],
    ...recorded('caddy-security/*.adapted.json').map(path => [basename(path), readFileSync(path, 'utf8')] as const),
  ] as const) {
    test(name, async () => {
      const report = await reported(text)
      expect(report.length).toBeLessThan(text.trimEnd().split('\n').length)
      expect(Math.max(...report.map(line => Bun.stringWidth(line)))).toBeLessThanOrEqual(120)
    })
  }

  // Every line of these says something; what is always said of such a file is a third of them.
  for (const path of recorded('oauth2-proxy/*.cfg')) {
    test(`${basename(path)}, by what is said`, async () => {
      const text = readFileSync(path, 'utf8')
      const said = (await reported(text)).filter(line => /^ {2}\S/.test(line))
      expect(said.length).toBeLessThan(text.trimEnd().split('\n').length)
    })
  }
})

test('what people notice comes first, then what to decide; what is carried over is one line, and a list on request', async () => {
  const text = `${CFG}banner = "hello"\nresource = "x"\n`
  const report = await reported(text)
  expect(headings(report)).toEqual([
    'People will notice',
    'To decide',
    'Changed',
    'Not carried over',
    'To set in the environment, or to write into routes.toml',
  ])
  const kept = (await imported(text)).notes.filter(note => note.startsWith('kept')).length
  expect(report.filter(line => line.includes('Carried over'))).toEqual([
    `Carried over from old: ${kept} more; --verbose lists them.`,
  ])
  const whole = await reported(text, '--verbose')
  expect(headings(whole).at(-1)).toBe('Carried over')
  expect(whole).toContainEqual(expect.stringMatching(/^ {2}line \d+ {2}http_address: /))
  expect(report.join()).not.toContain('http_address')
})

test('what lets nobody in comes before all else', async () => {
  expect(headings(await reported(`${CFG}made_up = 1\n`))[0]).toBe('Closed until you decide')
})

test('where only some requests are refused it names them, and sends nobody to a line that is not there', async () => {
  const site = (match: unknown) =>
    caddyJson({
      routes: [
        { match: [match], handle: [{ handler: 'key_auth' }] },
        { handle: [{ handler: 'reverse_proxy', upstreams: [{ dial: 'app:1' }] }] },
      ],
    })
  const some = (await reported(site({ path_regexp: { pattern: '/u/[0-9]+/edit$' } }))).join(' ').replace(/ +/g, ' ')
  expect(some).toContain('some of the requests (/u/[0-9]+/edit$) are refused until you have decided')
  expect(some).toContain('stays closed until you write who may, or remove it.')
  expect(some).not.toContain('WHO_MAY')
  const all = (await reported(site({ path: ['/*'] }))).join(' ').replace(/ +/g, ' ')
  expect(all).toContain('stays closed until you remove the line for everyone from its deny.')
})

test('the same said of several options is said once, with all of their lines', async () => {
  const lines = CFG.split('\n').length
  const report = await reported(`${CFG}logging_filename = "x"\nauth_logging = false\nbanner = "x"\nfooter = "y"\n`)
  expect(report.filter(line => line.includes('the log is JSON'))).toEqual([
    `  lines ${lines}, ${lines + 1}  logging_filename, auth_logging: the log is JSON, requests on standard output and`,
  ])
  expect(report).toContainEqual(expect.stringContaining(`  lines ${lines + 2}, ${lines + 3}  banner, footer: `))
})

test('both programs’ people are told that they sign in once more, and nobody is where no portal was', async () => {
  for (const text of [CFG, CADDY]) {
    expect(await reported(text)).toContainEqual(expect.stringContaining('sign-in: everyone signs in once more'))
  }
  const plain = await reported('{"apps":{"http":{"servers":{}}}}')
  expect(plain.join('\n')).not.toContain('sign-in')
})

test('one line says that oauth2-proxy’s own addresses keep answering', async () => {
  expect((await reported(CFG)).filter(line => line.includes('own addresses'))).toEqual([
    '  its own addresses: /oauth2/sign_out and the rest keep answering (sallyport help moving-in)',
  ])
})

/** What somebody is told to do: a word for it, or what to write. */
const TO_DO =
  /\b(?:add|choose|copy|give|have|import|keep|leave|let|look|make|mend|name|put|register|remove|run|set|start|take|uncomment|use|write)\b|\w = \S|until you/

describe('whatever is closed or to be decided says what to do', () => {
  test.each(
    [...recorded('caddy-security/*.adapted.json'), ...recorded('oauth2-proxy/*.cfg')].map(path => [
      basename(path),
      path,
    ]),
  )('%s', async (_, path) => {
    const { notes } = await imported(readFileSync(path, 'utf8'))
    const open = notes.filter(note => /^(?:closed|decide) /.test(note))
    expect(open.filter(note => !TO_DO.test(note.slice(note.indexOf(': '))))).toEqual([])
  })

  test('every option of oauth2-proxy and every handler of Caddy that has a word of its own', () => {
    const decided = [...OPTIONS].flatMap(([name, { says }]) =>
      says.flatMap(([outcome, say]) => (outcome === 'decide' || outcome === 'closed' ? [[name, say]] : [])),
    )
    const told = [...decided, ...Object.entries(INSTEAD)]
    expect(told.length).toBeGreaterThan(15)
    expect(told.filter(([, say = '']) => !TO_DO.test(say))).toEqual([])
  })
})

test('a file’s own words drive no terminal', async () => {
  const report = (await reported('"\\u001b[31mx\\u202e" = 1\n', '--from', 'oauth2-proxy')).join('\n')
  expect(report).toContain('\\u001b[31mx\\u202e')
  expect(report).not.toMatch(/\p{Bidi_Control}/u)
  expect(report).not.toContain('\x1b')
})
