import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { GateError, toGateError } from '../../base/errors.ts'
import type { Ports } from '../../base/ports.ts'
import { loadConfig } from '../../config/load.ts'
import { bad, good, type Parsed } from '../../config/text/outcome.ts'
import { renderDiagnostics } from '../../config/text/render.ts'
import { whyUnreadable } from '../../config/text/substitute.ts'
import { EXIT, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import type { Terminal } from '../../console/terminal.ts'
import { createProviderFetch, DEFAULT_WIRE_LIMITS } from '../../identity/http.ts'
import { createMetadataSource, type Metadata } from '../../identity/metadata.ts'
import { writeToml } from '../../import/draft.ts'
import { checkDraft } from '../../import/self-check.ts'
import { renderSections } from '../doctor/finding.ts'
import { askedProviders, examineProvider } from '../doctor/provider.ts'
import { type Asker, createAsker, type Question, type Unanswered } from './ask.ts'
import { type Front, frontFiles, isFrontKind } from './front.ts'
import { callbackOf, type Plan, planSections } from './plan.ts'
import { isPocketId, makeClient } from './pocket-id.ts'
import * as questions from './questions.ts'
import { reserveFiles } from './reserve.ts'

export const USAGE = {
  text: `usage: sallyport init [--out routes.toml] [options]

Asks little, looks whether the provider answers, and writes a first routes.toml with the client's secret in a file beside it, and
the file of the proxy in front where there is one. It can make the client at Pocket ID. Nothing is overwritten. Without a terminal every question needs its flag.
Exit code: 0 written, 1 not, 2 for a wrong command line or missing flags.

  --issuer ADDRESS           your provider: Pocket ID's address, or the issuer of another
  --host HOST                the host by which people reach the first application
  --upstream ADDRESS         where that application answers
  --front NAME               a proxy of yours that has the application, and asks: nginx, caddy, haproxy, traefik, envoy, ingress-nginx
  --front-address ADDRESS    where it comes from; 127.0.0.1 when absent
  --portal ADDRESS           an address of its own for signing in; "own" for the application's host
  --group NAME, --everyone   who may pass
  --client-id ID             the client, as registered at the provider
  --client-secret-file FILE  its secret; --public for a client that has none
  --api-key-file FILE        an API key of Pocket ID, to make the client there
  --yes                      ask nothing, and take what is usual where a flag is missing
  --offline                  do not look whether the provider answers`,
  options: {
    out: { type: 'string', default: 'routes.toml' },
    issuer: { type: 'string' },
    host: { type: 'string' },
    upstream: { type: 'string' },
    front: { type: 'string' },
    'front-address': { type: 'string' },
    portal: { type: 'string' },
    group: { type: 'string' },
    everyone: { type: 'boolean' },
    'client-id': { type: 'string' },
    'client-secret-file': { type: 'string' },
    public: { type: 'boolean' },
    'api-key-file': { type: 'string' },
    yes: { type: 'boolean' },
    offline: { type: 'boolean' },
  },
  maxPositionals: 0,
} as const

type Flags = Extract<ReturnType<typeof parseArguments<typeof USAGE.options>>, { ok: true }>['values']
type InitPorts = Parameters<typeof loadConfig>[1] & Pick<Ports, 'now' | 'random' | 'fetch'>

/** The secret's file, beside the new one. */
const SECRET_FILE = 'client-secret'

/** `sallyport init`: answers the exit code. `terminal` is who can be asked; null: nobody. */
export async function runInit(
  argv: readonly string[],
  io: Io,
  ports: InitPorts,
  terminal: Terminal | null,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const flags = parsed.values
  const out = resolve(io.cwd, flags.out)
  const secretPath = join(dirname(out), SECRET_FILE)
  const taken = [out, secretPath].find(path => existsSync(path))
  if (taken !== undefined) {
    io.stderr(`${taken} exists already, and is left as it is; name another with --out FOLDER/routes.toml\n`)
    return EXIT.failed
  }
  try {
    return await begin({
      flags,
      io,
      ports,
      out,
      secretPath,
      asker: createAsker(io, terminal, flags.yes === true),
      hasTerminal: terminal !== null,
    })
  } catch (thrown) {
    const { message, hint } = toGateError(thrown)
    io.stderr(`${message}\n${hint === undefined ? '' : `hint: ${hint}\n`}`)
    return EXIT.failed
  }
}

interface Init {
  readonly flags: Flags
  readonly io: Io
  readonly ports: InitPorts
  readonly out: string
  readonly secretPath: string
  readonly asker: Asker
  readonly hasTerminal: boolean
}

/** The client's credentials: known, or to be made with an API key. */
type Client =
  | { readonly kind: 'known'; readonly id: string; readonly secret: string | null }
  | { readonly kind: 'make'; readonly apiKey: string }

async function begin(init: Init): Promise<number> {
  const { flags, io, asker } = init
  const unclear = new Set<Unanswered>()
  const answer = async (question: Question, stated: string | undefined): Promise<string> => {
    if (unclear.has('left') || unclear.has('wrong')) return ''
    const given = await asker.answer(question, stated)
    if (given !== 'missing' && given !== 'wrong' && given !== 'left') return given
    unclear.add(given)
    return ''
  }
  let found: Metadata | null = null
  const find = async (issuer: string): Promise<Parsed<string>> => {
    if (flags.offline === true) return good(issuer)
    const known = await askProvider(issuer, init.ports)
    if (known.ok) found = known.value
    return known.ok ? good(issuer) : known
  }
  const issuer = await answer(questions.issuerQuestion(find), flags.issuer)
  const host = await answer(questions.HOST, flags.host)
  const upstream = await answer(questions.UPSTREAM, flags.upstream)
  const front = await findFront(init, answer, upstream)
  const portal = await answer(questions.PORTAL, flags.portal)
  const group = flags.everyone === true ? '' : await answer(questions.GROUP, flags.group)
  const place = { portal: portal === '' ? null : portal, host }
  const client = await findClient(init, answer, place, found !== null && isPocketId(found))
  if (unclear.size > 0) {
    if (asker.missing.length > 0) io.stderr(`not a terminal, and missing: ${asker.missing.join(', ')}\n`)
    if (unclear.has('left')) io.stderr('\nNothing was written.\n')
    return unclear.has('left') ? EXIT.failed : EXIT.usage
  }
  const provider = found !== null && isPocketId(found) ? 'pocket-id' : 'oidc'
  return finish(init, client, { provider, issuer, ...place, upstream, front, group: group === '' ? null : group })
}

/** The provider's metadata, asked for now; or why it cannot be had. */
async function askProvider(issuer: string, ports: InitPorts): Promise<Parsed<Metadata>> {
  const quiet = () => undefined
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
  const fetch = createProviderFetch(ports, DEFAULT_WIRE_LIMITS)
  try {
    return good(await createMetadataSource({ issuer, metadataUrl: null }, fetch, { now: ports.now, log }).get())
  } catch (thrown) {
    const { message, hint = '' } = toGateError(thrown)
    return bad('issuer.invalid', message, hint)
  }
}

/** Who stands in front of the application: where nobody can be asked, Sallyport. Throws `config.invalid` for an application that no recipe can name. */
async function findFront(
  { flags, hasTerminal }: Init,
  answer: (question: Question, stated: string | undefined) => Promise<string>,
  upstream: string,
): Promise<Front | null> {
  const kind = await answer(questions.FRONT, flags.front ?? (hasTerminal ? undefined : 'sallyport'))
  if (!isFrontKind(kind)) return null
  const question = questions.frontNetworkQuestion(kind)
  const network = await answer(
    question,
    flags['front-address'] ?? (hasTerminal ? undefined : (question.fallback ?? undefined)),
  )
  if (upstream !== '' && !questions.isNamedByFront(upstream)) {
    throw new GateError(
      'config.unreadable',
      `the file for ${kind} names the application as http://HOST:PORT, which ${upstream} is not`,
      {
        hint: 'give it so, and change the file afterwards',
      },
    )
  }
  return { kind, network }
}

async function findClient(
  { flags, io }: Init,
  answer: (question: Question, stated: string | undefined) => Promise<string>,
  place: Pick<Plan, 'portal' | 'host'>,
  mayMake: boolean,
): Promise<Client> {
  const keyFile = flags['api-key-file']
  if (keyFile !== undefined) return { kind: 'make', apiKey: readSecret(keyFile, io) }
  if (flags['client-id'] === undefined && flags.yes !== true && mayMake) {
    const apiKey = await answer(questions.API_KEY, undefined)
    if (apiKey !== '') return { kind: 'make', apiKey }
  }
  if (flags['client-id'] === undefined && place.host !== '') {
    io.stderr(`  Register a client at the provider, with this callback: ${callbackOf(place)}\n`)
  }
  const id = await answer(questions.CLIENT_ID, flags['client-id'])
  if (flags.public === true) return { kind: 'known', id, secret: null }
  const secretFile = flags['client-secret-file']
  const secret =
    secretFile === undefined
      ? await answer({ ...questions.CLIENT_SECRET, fallback: flags.yes === true ? null : '' }, undefined)
      : readSecret(secretFile, io)
  return { kind: 'known', id, secret: secret === '' ? null : secret }
}

function readSecret(path: string, io: Io): string {
  try {
    return io.readText(resolve(io.cwd, path)).trim()
  } catch (thrown) {
    throw new GateError('config.unreadable', `${path} ${whyUnreadable(thrown)}`)
  }
}

/** Writes what is known, once it is certain that it can be written and is good. */
async function finish(init: Init, client: Client, known: Omit<Plan, 'clientId' | 'secretFile'>): Promise<number> {
  const { io, ports, out, secretPath, flags } = init
  const textOf = (id: string, hasSecret: boolean) => {
    const plan = { ...known, clientId: id, secretFile: hasSecret ? SECRET_FILE : null }
    return writeToml(planSections(plan), [
      'Written by "sallyport init". Edit and save: that is enough while "sallyport serve" runs.',
      'docs/keys.md has every key.',
    ])
  }
  const draft = textOf(client.kind === 'known' ? client.id : 'client', client.kind === 'make' || client.secret !== null)
  const { mistakes } = checkDraft(draft, out, [], io)
  if (mistakes.length > 0) {
    io.stderr(renderDiagnostics(mistakes, new Map([['routes.toml', draft]]), { colour: io.colour.stderr }))
    io.stderr('Nothing was written.\n')
    return EXIT.failed
  }
  const needsSecret = client.kind === 'make' || client.secret !== null
  const beside = known.front === null ? [] : await frontFiles(known.front, known)
  const besidePath = (name: string) => join(dirname(out), name)
  const names = beside.map(({ name }) => name)
  const files = reserveFiles([out, ...(needsSecret ? [secretPath] : []), ...names.map(besidePath)])
  let { id, secret } = client.kind === 'known' ? client : { id: '', secret: null }
  try {
    if (client.kind === 'make') {
      const asked = {
        name: `Sallyport (${known.host})`,
        callback: callbackOf(known),
        launch: known.portal ?? `https://${known.host}`,
      }
      ;({ id, secret } = await makeClient(known.issuer, client.apiKey, asked, ports))
    }
  } catch (thrown) {
    files.discard()
    throw thrown
  }
  files.write(out, textOf(id, needsSecret), 0o644)
  if (needsSecret) files.write(secretPath, `${secret ?? ''}\n`, 0o600)
  for (const { name, text } of beside) files.write(besidePath(name), text, 0o644)
  io.stdout(
    `Written: ${[flags.out, ...names].join(', ')}${needsSecret ? `, and ${SECRET_FILE} beside it, for you alone to read (for the container: chown 65532 ${SECRET_FILE})` : ''}\n`,
  )
  if (client.kind === 'make') io.stdout(`Made at Pocket ID: the client ${id}, with the callback ${callbackOf(known)}\n`)
  if (needsSecret && secret === null) {
    io.stdout(`Pocket ID gave out no secret: make one for this client there, and put it into ${SECRET_FILE}\n`)
    return EXIT.failed
  }
  if (flags.offline !== true) await look(init)
  io.stdout(`Then: sallyport serve --config ${flags.out}\n`)
  if (names.length > 0) {
    io.stdout(
      `And: put ${names.join(' and ')} in place, whose heads say where; "sallyport doctor ${flags.out}" looks at what is missing.\n`,
    )
  }
  return EXIT.ok
}

/** What the provider says of the client and its callback, as `doctor` finds it. */
async function look({ io, ports, out, flags }: Init): Promise<void> {
  const loaded = loadConfig(out, ports, flags.out)
  if (!loaded.ok) return
  const quiet = () => undefined
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet }
  const sections = await Promise.all(
    askedProviders(loaded.config).map(provider => examineProvider(provider, loaded.config, { ...ports, log })),
  )
  io.stdout(`\n${renderSections(sections, io.colour.stdout)}\n`)
}
