import type { Json } from '../text/raw.ts'
import { root } from './keys.ts'
import { accessRule, RULE_SCHEMA } from './rules.ts'
import { objectOf } from './table.ts'

/**
 * The JSON schema of routes.toml, for editors that know TOML (Taplo, Even Better TOML).
 *
 * It knows names, types and defaults; what keys say about each other only `sallyport check` knows.
 * Source: JSON Schema draft-07, the newest that those editors read.
 */
export function configSchema(): Json {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'routes.toml',
    description: 'The configuration of Sallyport, an authenticating reverse proxy.',
    ...objectOf(root.schema),
    definitions: { [RULE_SCHEMA]: accessRule.schema },
  }
}
