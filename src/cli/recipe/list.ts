import { suggest } from '../../config/text/suggest.ts'
import { columns } from '../../console/columns.ts'
import { RECIPE_NAMES, readRecipe } from './recipe.ts'

/** All recipes, a line each. */
export async function listRecipes(): Promise<string> {
  const recipes = await Promise.all(RECIPE_NAMES.map(readRecipe))
  return columns(recipes.filter(recipe => recipe !== null).map(({ name, about }) => [name, about]))
}

/** What a name that is none was probably meant to be. Ends without a line break. */
export function recipeHint(name: string): string {
  const word = name.toLowerCase()
  const part = word.length > 2 ? RECIPE_NAMES.find(one => one.includes(word)) : undefined
  const meant = suggest(word, RECIPE_NAMES) ?? part
  return meant === undefined ? '"sallyport recipe list" names all of them' : `did you mean "${meant}"?`
}
