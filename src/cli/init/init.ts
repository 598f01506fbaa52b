/** `sallyport init`: asks for what a first routes.toml needs, and writes it. */

import { existsSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { showUnseen } from '../../base/control-characters.ts'
import { GateError, toGateError } from '../../base/errors.ts'
import { isLoopbackHost } from '../../base/net.ts'
import { throughProxy } from '../../base/outgoing.ts'
import { good, type Parsed } from '../../config/text/diagnostic.ts'
import type { Json } from '../../config/text/raw.ts'
import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { ServiceUser } from '../../console/drop-root.ts'
import type { Io } from '../../console/io.ts'
import type { Terminal } from '../../console/terminal.ts'
import { usageLines } from '../../console/usage.ts'
import type { Metadata } from '../../identity/endpoints.ts'
import { isPocketId } from '../../identity/probe/pocket-id.ts'
import { type Recipe, readRecipe } from '../recipe/recipe.ts'
import { createAsker, type Question, type Unanswered } from './ask.ts'
import { finish, SECRET_FILE } from './finish.ts'
import { type Coming, portalOf, usualPort } from './https.ts'
import { membersOf, membersQuestion, nameOfIssuer, needsMembers, presetOf } from './members.ts'
import { findFirstUser } from './people.ts'
import {
  askProvider,
  type Client,
  findClient,
  placeProvider,
  readGivenFile,
  readOutgoing,
  readReach,
} from './provider.ts'
import { type Front, isFrontKind } from './proxy-in-front.ts'
import * as questions from './questions.ts'
import { type AnswerQuestion, type Flags, type Init, type InitPorts, USAGE } from './usage.ts'

/**
 * `sallyport init`: returns the exit code. `terminal` is for questions; null: none can be asked. `serviceUser` is the
 * user of this machine's service, who reads what root writes.
 */
export async function runInit(
  argv: readonly string[],
  io: Io,
  ports: InitPorts,
  terminal: Terminal | null,
  serviceUser: ServiceUser | null = null,
): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const flags = parsed.values
  const mistake = contradictionIn(flags)
  if (mistake !== null) return failWith(io, `${mistake}\n${usageLines(USAGE.text)}`, EXIT.usage)
  const out = resolve(io.cwd, flags.out)
  const secretPath = join(dirname(out), SECRET_FILE)
  const taken = [out, secretPath].find(path => existsSync(path))
  if (taken !== undefined)
    return failWith(io, `${taken} exists already, and is left as it is; name another with --out FOLDER/routes.toml`)
  try {
    const reach = readReach(flags, io)
    const outgoing = readOutgoing(flags, reach)
    return await begin({
      flags,
      io,
      ports: outgoing === null ? ports : throughProxy(ports, () => outgoing),
      out,
      secretPath,
      asker: createAsker(io, terminal, flags.yes === true),
      hasTerminal: terminal !== null,
      serviceUser,
      reach,
      outgoing,
    })
  } catch (thrown) {
    const { message, hint } = toGateError(thrown)
    io.stderr(`${showUnseen(message)}\n${hint === undefined ? '' : `hint: ${showUnseen(hint)}\n`}`)
    return EXIT.failed
  }
}

/** Of flags that say the opposite none is left out in silence: what is written may let in more than one of them says. */
function contradictionIn({ user, users, issuer, group, everyone, ...flags }: Flags): string | null {
  const isOfFile = users === true || user !== undefined
  if (isOfFile && issuer !== undefined)
    return `${user === undefined ? '--users' : '--user'} is for a file of users, and --issuer for a provider`
  if (group !== undefined && everyone === true) return '--group or --everyone, and one of the two'
  if (isOfFile && group !== undefined) return GROUP_OF_FILE
  return flags.public === true && flags['client-secret-file'] !== undefined
    ? '--client-secret-file or --public, and one of the two'
    : null
}

const GROUP_OF_FILE =
  '--group is for a provider: for users of a file, write user = { groups = ["…"] } into [portals.home.roles] afterwards'

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
    const known = await askProvider(issuer, init)
    if (known.ok) found = known.value
    return known.ok ? good(issuer) : known
  }
  const issuer =
    flags.users === true || flags.user !== undefined ? '' : await answer(questions.issuerQuestion(find), flags.issuer)
  const isOfFile = issuer === '' && unclear.size === 0
  if (isOfFile && flags.group !== undefined) throw new GateError('config.unreadable', GROUP_OF_FILE)
  const host = await answer(questions.HOST, flags.host)
  const recipe = await findRecipe(init, answer)
  const upstream = await answer(questions.upstreamOf(recipe), flags.upstream)
  const front = recipe === null ? await findFront(init, answer, upstream) : null
  const coming =
    front === null ? await findComing(init, answer, host) : byFront(flags.tls, await findPort(init, answer, 'proxy'))
  const portal = await findPortal(init, answer, { host, coming, isOfFile })
  const preset = presetOf(issuer)
  const members = await findMembers(init, answer, issuer)
  const asksForGroup = flags.everyone !== true && !isOfFile && (members === null || flags.group !== undefined)
  const group = asksForGroup ? await answer(questions.GROUP, flags.group) : ''
  const place = { portal: portal === '' ? null : portal, host, coming, preset }
  const hasRoute = await wantsProviderRoute(init, answer, issuer, front !== null)
  const providerPlace = unclear.size > 0 ? null : placeProvider(init, issuer, place, front !== null, hasRoute)
  const isPocketIdThere = found !== null && isPocketId(found)
  const client: Client = isOfFile ? { kind: 'none' } : await findClient(init, answer, place, isPocketIdThere)
  const firstUser = isOfFile && unclear.size === 0 ? await findFirstUser(init, answer) : null
  // A user without a provider wants to see the first page: for them this question is only a flag.
  const hasSchema =
    flags.schema === true || (!isOfFile && (await usually(init, answer, questions.SCHEMA, undefined)) === 'yes')
  if (unclear.size > 0) {
    if (asker.missing.length > 0) io.stderr(`not a terminal, and missing: ${asker.missing.join(', ')}\n`)
    if (unclear.has('left')) io.stderr('\nNothing was written.\n')
    return unclear.has('left') ? EXIT.failed : EXIT.usage
  }
  const plan = {
    provider: isOfFile ? 'people' : isPocketIdThere ? 'pocket-id' : (nameOfIssuer(issuer) ?? 'oidc'),
    issuer: isOfFile ? null : issuer,
    internalUrl: isOfFile ? null : init.reach.internalUrl,
    outgoing: init.outgoing,
    caFile: isOfFile || flags.ca === undefined ? null : relative(dirname(init.out), resolve(io.cwd, flags.ca)),
    providerPlace,
    hasSignedOut: client.kind === 'make',
    ...place,
    upstream,
    front,
    group: group === '' ? null : group,
    admin: firstUser?.name ?? null,
    members,
  }
  const providerRecipe = providerPlace !== null && isPocketIdThere ? await readRecipe('pocket-id') : null
  return finish(init, client, { plan, recipe, providerRecipe, firstUser, hasSchema })
}

/**
 * Where people sign in; empty for the application's host. On this machine every name leads here, so users of a file get a separate one
 * unasked. Elsewhere a name has to lead here first: without a terminal it is said at the end how to go on with one.
 */
function findPortal(
  init: Init,
  answer: AnswerQuestion,
  { host, coming, isOfFile }: { readonly host: string; readonly coming: Coming; readonly isOfFile: boolean },
): Promise<string> {
  const { portal } = init.flags
  const isOfThisMachine = coming.kind === 'plain' && isLoopbackHost(host)
  if (isOfFile && isOfThisMachine && portal === undefined) return Promise.resolve(portalOf({ host, coming }))
  const question = questions.portalQuestion(coming, host)
  return isOfFile ? usually(init, answer, question, portal) : answer(question, portal)
}

/** Who may have a session, where somebody says so or everybody in the world could; null: that is left to `allow`. */
async function findMembers({ flags }: Init, answer: AnswerQuestion, issuer: string): Promise<Json | null> {
  const isWide = issuer !== '' && needsMembers(issuer)
  if (flags.members === undefined && !isWide) return null
  if (flags.members === undefined && flags.everyone === true) return 'authenticated'
  if (flags.members === undefined && flags.group !== undefined) return [{ groups: [flags.group] }]
  const preset = presetOf(issuer)
  const hasGroups = preset !== null || !isWide
  const text = await answer(membersQuestion(preset, hasGroups), flags.members)
  return text === '' ? null : membersOf(text, hasGroups)
}

/** Whether Sallyport leads to the provider too: asked where it is reached otherwise than by browsers, and nothing in front could lead there. */
async function wantsProviderRoute(
  init: Init,
  answer: AnswerQuestion,
  issuer: string,
  hasFront: boolean,
): Promise<boolean> {
  const { flags, reach, hasTerminal } = init
  if (flags['provider-route'] === true) return true
  if (!hasTerminal || issuer === '' || reach.internalUrl === null || hasFront) return false
  return (await answer(questions.providerRouteQuestion(issuer, reach.internalUrl), undefined)) === 'yes'
}

/** An answer with a default where no question can be asked. */
function usually(
  { hasTerminal }: Init,
  answer: AnswerQuestion,
  question: Question,
  stated: string | undefined,
): Promise<string> {
  const usual = hasTerminal ? undefined : (question.fallback ?? undefined)
  // What is usual may be nothing at all, which is no answer to a question.
  return stated === undefined && usual === '' ? Promise.resolve('') : answer(question, stated ?? usual)
}

/** The application's recipe; null for none. Throws `config.unreadable` where a proxy in front has the application. */
async function findRecipe(init: Init, answer: AnswerQuestion): Promise<Recipe | null> {
  const { recipe, front } = init.flags
  if (front !== undefined && front !== 'sallyport') {
    if (recipe === undefined) return null
    throw new GateError(
      'config.unreadable',
      `a recipe has routes that Sallyport leads to, and ${front} has this application`,
      {
        hint: `leave --recipe or --front out; "sallyport recipe ${recipe}" shows what has to stay open`,
      },
    )
  }
  const name = await usually(init, answer, await questions.recipeQuestion(), recipe)
  return name === '' ? null : readRecipe(name)
}

/** By a proxy that asks, and ends TLS unless it is said not to. */
function byFront(tls: string | undefined, port: number): Coming {
  return { kind: 'proxy', network: null, port, isPlain: tls === 'plain' }
}

/** Throws `config.unreadable` for a port beside ACME, which needs the usual ones. */
async function findPort({ flags }: Init, answer: AnswerQuestion, kind: Coming['kind']): Promise<number> {
  if (flags.port === undefined) return usualPort(kind)
  if (kind === 'acme') {
    throw new GateError('config.unreadable', '--port: the authority asks at port 80, and browsers come to 443', {
      hint: 'leave it out; or --tls files or proxy',
    })
  }
  return Number(await answer(questions.PORT, flags.port))
}

async function findComing(init: Init, answer: AnswerQuestion, host: string): Promise<Coming> {
  const { flags, io, out } = init
  const isAsked = init.hasTerminal && flags.yes !== true
  const kind = await usually(init, answer, questions.comingQuestion(host, isAsked), flags.tls)
  const port = await findPort(init, answer, kind === 'plain' || kind === 'acme' || kind === 'files' ? kind : 'proxy')
  if (kind === 'plain') return { kind, port }
  if (kind === 'files') {
    const read = (path: string) => readGivenFile(path, io)
    const named = async (what: 'cert' | 'key') =>
      relative(dirname(out), resolve(io.cwd, await answer(questions.certificateQuestion(what, read), flags[what])))
    return { kind, port, cert: await named('cert'), key: await named('key') }
  }
  if (kind === 'acme') {
    const email = await usually(init, answer, questions.ACME_EMAIL, flags.email)
    return { kind, email: email === '' ? null : email }
  }
  const network = await usually(init, answer, questions.PROXY_ADDRESS, flags['proxy-address'])
  return { kind: 'proxy', port, network: network === '' ? null : network }
}

/**
 * What is in front of the application: without a terminal, Sallyport. Throws `config.unreadable` for an application
 * without a recipe.
 */
async function findFront(init: Init, answer: AnswerQuestion, upstream: string): Promise<Front | null> {
  const kind = await usually(init, answer, questions.FRONT, init.flags.front)
  if (!isFrontKind(kind)) return null
  const network = await usually(init, answer, questions.frontNetworkQuestion(kind), init.flags['front-address'])
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
