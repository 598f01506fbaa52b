/** The end of `sallyport init`: writes the file once its ports are ours, and says what comes next. */

import { closeSync, existsSync, fchmodSync, fchownSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { GateError } from '../../base/errors.ts'
import { configSchema } from '../../config/keys/keys.ts'
import { loadConfig } from '../../config/load.ts'
import { renderDiagnostics } from '../../config/render-diagnostics.ts'
import { EXIT, failWith } from '../../console/args.ts'
import { createFile, groupForSecrets } from '../../console/drop-root.ts'
import { whyUnwritten } from '../../console/replace-file.ts'
import { writeToml } from '../../migrate/draft.ts'
import { checkDraft } from '../../migrate/self-check.ts'
import { renderSections } from '../doctor/finding.ts'
import { askedProviders, examineProvider } from '../doctor/provider.ts'
import { placeRecipe, type Recipe } from '../recipe/recipe.ts'
import { isPlainHttp, originBy, portalOf } from './https.ts'
import { type FirstUser, peopleFiles, USERS_FILE } from './people.ts'
import { callbackOf, type Plan, placeOf, plainPort, planSections } from './plan.ts'
import type { Client } from './provider.ts'
import { type FrontFile, frontFiles } from './proxy-in-front.ts'
import { type RegisteredClient, registerClient } from './register.ts'
import { type Init, USAGE } from './usage.ts'

/** The secret's file, beside the new one. */
export const SECRET_FILE = 'client-secret'

/** The schema's file, as the new file names it. */
const SCHEMA_FILE = 'routes.schema.json'

/** What is written; the client's part is known at the end. */
export interface Known {
  readonly plan: Omit<Plan, 'clientId' | 'secretFile' | 'isPushed' | 'hasRecipe' | 'hasProviderRecipe'>
  readonly recipe: Recipe | null
  /** The recipe of the provider, where Sallyport leads to it. */
  readonly providerRecipe: Recipe | null
  /** Null: the users file is empty, or there is none. */
  readonly firstUser: FirstUser | null
  /** Whether editors get a schema. */
  readonly hasSchema: boolean
}

/** Writes what is known, once it is certain that it can be written and is good. Answers the exit code. */
export async function finish(init: Init, client: Client, known: Known): Promise<number> {
  const { io, out, secretPath, flags } = init
  const { plan } = known
  const needsSecret = client.kind === 'make' || (client.kind === 'known' && client.secret !== null)
  const draft = textOf(known, client.kind === 'known' ? client.id : 'client', needsSecret)
  const { mistakes } = checkDraft(draft, out, [], io)
  if (mistakes.length > 0) {
    io.stderr(renderDiagnostics(mistakes, new Map([['routes.toml', draft]]), { colour: io.colour.stderr }))
    return failWith(io, 'Nothing was written.')
  }
  const front = plan.front === null ? [] : await frontFiles(plan.front, { ...plan, port: plainPort(plan.coming) })
  const beside = known.hasSchema ? [...front, schemaFile()] : front
  const besidePath = (name: string) => join(dirname(out), name)
  const names = beside.map(({ name }) => name)
  const people = plan.issuer === null ? await peopleFiles(init, known.firstUser) : []
  const kept = [...(needsSecret ? [SECRET_FILE] : []), ...people.map(({ name }) => name)]
  const files = reserveFiles([out, ...kept.map(besidePath), ...names.map(besidePath)])
  let made: RegisteredClient | null = null
  try {
    if (client.kind === 'make' && plan.issuer !== null) {
      made = await registerClient(init, plan.issuer, client.apiKey, plan)
    }
  } catch (thrown) {
    files.discard()
    throw thrown
  }
  if (client.kind === 'make' && made === null) {
    files.discard()
    return failWith(io, 'Nothing was written, and nothing was changed at Pocket ID.')
  }
  const { id, secret } = made ?? (client.kind === 'known' ? client : { id: '', secret: null })
  files.write(out, textOf(known, id, needsSecret, made?.isPushed === true), 0o644)
  const group = groupForSecrets(dirname(out), init.serviceUser)
  const keep = (path: string, text: string) => files.write(path, text, group === null ? 0o600 : 0o640, group)
  if (needsSecret) keep(secretPath, `${secret ?? ''}\n`)
  for (const { name, text } of people) keep(besidePath(name), text)
  for (const { name, text } of beside) files.write(besidePath(name), text, 0o644)
  io.stdout(
    `Written: ${[flags.out, ...names].join(', ')}${kept.length > 0 ? `, and ${kept.join(' and ')} beside it, ${readersOf(init, group, kept)}` : ''}\n`,
  )
  if (made !== null) {
    const whose = plan.group === null ? '' : `, for the group ${plan.group}`
    io.stdout(
      `${made.isTakenOver ? 'Taken over' : 'Made'} at Pocket ID: the client ${id}, with the callback ${callbackOf(plan)}${whose}\n`,
    )
  }
  if (needsSecret && secret === null) {
    io.stdout(`Pocket ID gave out no secret: make one for this client there, and put it into ${SECRET_FILE}\n`)
    return EXIT.failed
  }
  if (plan.issuer !== null && flags.offline !== true) await look(init)
  sayNext(init, known, front)
  return EXIT.ok
}

/** Who may read the secrets, and the command that lets the service, where it may not. */
function readersOf({ out, serviceUser }: Init, group: number | null, kept: readonly string[]): string {
  if (serviceUser === null) return `for you alone to read (for the container: chown 65532 ${kept.join(' ')})`
  if (group !== null) return `for you and the group ${serviceUser.group} to read`
  const paths = kept.map(name => join(dirname(out), name)).join(' ')
  return `for you alone to read. The service has to read it too: chown -h ${serviceUser.name} ${paths}`
}

function textOf(
  { plan, recipe, providerRecipe, hasSchema }: Known,
  clientId: string,
  needsSecret: boolean,
  isPushed = false,
): string {
  const secretFile = needsSecret ? SECRET_FILE : null
  const has = { hasRecipe: recipe !== null, hasProviderRecipe: providerRecipe !== null }
  const whole = { ...plan, ...has, clientId, isPushed, secretFile }
  const tables = writeToml(planSections(whole), [
    'Written by "sallyport init". Edit and save: that is enough while "sallyport serve" runs.',
    'docs/keys.md has every key.',
  ])
  const { host, upstream, coming, providerPlace } = plan
  // The operator who writes the file chooses the names, so no user can take another's.
  const person = plan.issuer === null ? '{preferred_username}' : undefined
  return [
    hasSchema ? `#:schema ./${SCHEMA_FILE}\n` : '',
    tables,
    providerRecipe === null || providerPlace === null
      ? ''
      : `\n${placeRecipe(providerRecipe, { ...providerPlace, origin: originBy(coming, providerPlace.host) })}`,
    recipe === null ? '' : `\n${placeRecipe(recipe, { host, upstream, origin: originBy(coming, host), person })}`,
  ].join('')
}

function schemaFile(): FrontFile {
  return { name: SCHEMA_FILE, text: `${JSON.stringify(configSchema(), null, 2)}\n` }
}

/** What is left to do, as commands where there is one. */
function sayNext(init: Init, { plan, recipe, providerRecipe, firstUser }: Known, front: readonly FrontFile[]): void {
  const { io, flags, out } = init
  const file = flags.out
  const users = join(dirname(file), USERS_FILE)
  if (firstUser?.isMade === true) {
    io.stdout(`The password of ${firstUser.name}, which is shown this once: ${firstUser.password}\n`)
  } else if (plan.issuer === null && firstUser === null && !existsSync(join(dirname(out), USERS_FILE))) {
    io.stdout(`Then: sallyport user add ${users} NAME\n`)
  }
  io.stdout(`Then: sallyport serve${file === USAGE.options.out.default ? '' : ` --config ${file}`}\n`)
  if (plan.front === null) io.stdout(`And open ${originBy(plan.coming, plan.host)}/\n`)
  if (firstUser !== null && plan.front === null) io.stdout(`The admin page: ${placeOf(plan)}/.sallyport/admin\n`)
  if (plan.issuer === null && plan.portal === null && !isPortalAsked(init)) {
    const more = isPlainHttp(plan.coming) ? '' : ' and for passkeys'
    const name = new URL(portalOf(plan)).hostname
    io.stdout(
      `For a second application${more}: let a second name lead here, such as ${name}, and uncomment url in ${file}.\n`,
    )
  }
  if (firstUser !== null) io.stdout(`A second factor: sallyport user totp ${users} ${firstUser.name}\n`)
  for (const one of [providerRecipe, recipe]) {
    if (one !== null) io.stdout(`What ${one.name} needs to be told stands above its table in ${file}.\n`)
  }
  if (front.length > 0) {
    io.stdout(
      `And: put ${front.map(({ name }) => name).join(' and ')} in place, whose heads say where; "sallyport doctor ${file}" looks at what is missing.\n`,
    )
  }
}

/** Whether somebody has said where people sign in. */
function isPortalAsked({ flags, hasTerminal }: Init): boolean {
  return flags.portal !== undefined || (hasTerminal && flags.yes !== true)
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

/** New, empty files that only this user can read. */
interface ReservedFiles {
  /** `group` is the file's group; absent or null: the group of the user who runs this. */
  write(path: string, text: string, mode: number, group?: number | null): void
  /** Removes all of them. */
  discard(): void
}

/**
 * Creates new files that only this user can read. Throws `config.unreadable` for an existing one, or one that cannot
 * be created.
 */
function reserveFiles(paths: readonly string[]): ReservedFiles {
  const made = new Map<string, number>()
  const discard = () => {
    for (const [path, file] of made) {
      rmSync(path, { force: true })
      closeSync(file)
    }
    made.clear()
  }
  for (const path of paths) {
    try {
      made.set(path, createFile(path))
    } catch (thrown) {
      discard()
      const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
      const why = code === 'EEXIST' ? 'exists already, and is left as it is' : whyUnwritten(path, thrown)
      throw new GateError('config.unreadable', `${path} ${why}`)
    }
  }
  return {
    write(path, text, mode, group = null) {
      const file = made.get(path)
      if (file === undefined) throw new TypeError(`${path} is not reserved`)
      // By the descriptor: a user who may write in the folder may have replaced it by a link meanwhile.
      writeFileSync(file, text)
      if (group !== null) fchownSync(file, process.geteuid?.() ?? 0, group)
      fchmodSync(file, mode)
    },
    discard,
  }
}
