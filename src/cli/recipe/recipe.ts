/** Recipes: routes for well-known applications, as files of the documents. */

import { suggest } from '../../config/text/suggest.ts'
import { columns } from '../../console/terminal.ts'
import { SERVICES } from './services.ts'

/**
 * Tables of a routes.toml for one application, with what has to be set in it as comments.
 *
 * Its text is for a file whose portal is `home` and has the role `user`. A line whose `#` has no blank behind it is a choice: it holds
 * once the `#` is gone.
 */
export interface Recipe {
  readonly name: string
  /** How the application is called, and what is particular about it: the first line of the text. */
  readonly about: string
  readonly text: string
}

/** What stands in a recipe in place of its examples. */
export interface RecipePlace {
  readonly host?: string | undefined
  /** Where the application answers: an address, as the file writes it. */
  readonly upstream?: string | undefined
  /** How browsers reach the host; `https://` and it, when absent. */
  readonly origin?: string | undefined
  /** What an application gets in place of an e-mail address, since users of a file have none. */
  readonly person?: string | undefined
}

/** Names of projects of which a recipe is good for both. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['forgejo', 'gitea'],
  ['git', 'git-http'],
  ['paperless', 'paperless-ngx'],
])

export const RECIPE_NAMES: readonly string[] = [...SERVICES.keys()]

/** A recipe by its name, in any letter case; null for one that there is not. */
export async function readRecipe(rawName: string): Promise<Recipe | null> {
  const asked = rawName.trim().toLowerCase()
  const name = OTHER_NAMES.get(asked) ?? asked
  const path = SERVICES.get(name)
  if (path === undefined) return null
  const text = await Bun.file(path).text()
  return { name, about: text.slice(2, text.indexOf('\n')), text }
}

/** The text of a recipe with this host and address in place of its examples, and as it is where one is not said. */
export function placeRecipe({ text }: Recipe, { host, upstream, origin, person }: RecipePlace): string {
  const said: readonly (readonly [example: string, instead: string | undefined])[] = [
    ['https://app\\.example\\.com', origin ?? (host === undefined ? undefined : `https://${host}`)],
    ['app\\.example\\.com', host],
    ['http://app:\\d+', upstream],
    ['\\{email\\}', person],
  ]
  const known = said.filter(([, instead]) => instead !== undefined)
  if (known.length === 0) return text
  // At once: what is put in may look like another example.
  const examples = new RegExp(known.map(([example]) => `(${example})`).join('|'), 'g')
  return text.replace(examples, (...match: readonly unknown[]) => {
    const index = known.findIndex((_, at) => match[at + 1] !== undefined)
    return known[index]?.[1] ?? String(match[0])
  })
}

/** All recipes, a line each. */
export async function listRecipes(): Promise<string> {
  const recipes = await Promise.all(RECIPE_NAMES.map(readRecipe))
  return columns(recipes.filter(recipe => recipe !== null).map(({ name, about }) => [name, about]))
}

/** What a name that is none was probably meant to be. Ends without a line break. */
export function recipeHint(name: string): string {
  const word = name.toLowerCase()
  const part = word.length > 2 ? RECIPE_NAMES.find(one => one.includes(word)) : undefined
  const meant = suggest(word, RECIPE_NAMES) ?? part ?? RECIPE_NAMES.findLast(one => word.startsWith(one))
  return meant === undefined ? '"sallyport recipe list" names all of them' : `did you mean "${meant}"?`
}
