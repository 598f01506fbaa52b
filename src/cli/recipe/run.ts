/** `sallyport recipe`: shows the recipe for an application. */

import { EXIT, failWith, parseArguments } from '../../console/args.ts'
import type { Io } from '../../console/io.ts'
import { HOST, UPSTREAM } from '../init/questions.ts'
import { listRecipes, placeRecipe, readRecipe, recipeHint } from './recipe.ts'

export const USAGE = {
  text: `usage: sallyport recipe list|NAME [--host HOST] [--upstream ADDRESS]

Lists the recipes for applications, or prints one: tables for routes.toml, with what has to be set in the application.
They are for a portal "home" with a role "user". A line that begins with # and no blank is a choice: remove the # to use it.
Exit code: 0 shown, 2 if there is no such recipe.

  --host HOST          the host by which people reach it, in place of app.example.com
  --upstream ADDRESS   where it answers, in place of http://app:PORT`,
  options: { host: { type: 'string' }, upstream: { type: 'string' } },
  maxPositionals: 1,
} as const

/** `sallyport recipe`: answers the exit code. */
export async function runRecipe(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const [name = 'list'] = parsed.positionals
  if (name === 'list') {
    await io.stdout(await listRecipes())
    return EXIT.ok
  }
  const recipe = await readRecipe(name)
  if (recipe === null) return failWith(io, `there is no recipe "${name}": ${recipeHint(name)}`, EXIT.usage)
  const place: { host?: string; upstream?: string } = {}
  for (const [key, question] of [['host', HOST] as const, ['upstream', UPSTREAM] as const]) {
    const stated = parsed.values[key]
    if (stated === undefined) continue
    const answer = await question.parse(stated)
    if (!answer.ok)
      return failWith(
        io,
        `--${key}: ${answer.message}${answer.hint === '' ? '' : `\n  hint: ${answer.hint}`}`,
        EXIT.usage,
      )
    place[key] = answer.value
  }
  await io.stdout(placeRecipe(recipe, place))
  return EXIT.ok
}
