import type { Json } from '../../config/text/raw.ts'
import { type Conditions, isRule } from './rules.ts'

/** Which requests a rule is about, in a few words: `POST for /a/*`. Empty for one that says nothing of them. */
export function sayRequests(rule: Conditions): string {
  const { paths, path_regexp: expressions, methods, networks, headers, query, not, all } = rule
  if (isRule(not ?? null)) return `all but ${sayRequests(tableOf(not))}`
  const parts = Array.isArray(all) ? all.map(part => sayRequests(tableOf(part))) : []
  const own = [
    briefly(methods),
    briefly(paths),
    briefly(expressions),
    briefly(networks),
    keysOf(headers),
    keysOf(query),
  ]
  return [...own, ...parts].filter(said => said !== '').join(' and ')
}

function tableOf(value: Json | undefined): Conditions {
  return value !== undefined && isRule(value) ? value : {}
}

function keysOf(table: Json | undefined): string {
  return Object.keys(tableOf(table)).join(', ')
}

function briefly(list: Json | undefined): string {
  if (!Array.isArray(list)) return ''
  return list.slice(0, 4).join(', ') + (list.length > 4 ? ' and more' : '')
}
