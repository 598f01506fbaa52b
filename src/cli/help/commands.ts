/** The list of commands, as `help` and the completion show it. */

import { RECIPE_NAMES } from '../recipe/recipe.ts'

/** What a list of commands says of one. */
export interface Command {
  readonly name: string
  /** How it is called, in short: its own help has all options. */
  readonly call: string
  readonly about: string
  /** What may stand behind it, where `call` has no room for all of it. */
  readonly words?: readonly string[]
}

/** Every command that `run` knows, in the order in which somebody meets them. */
export const COMMANDS: readonly Command[] = [
  { name: 'serve', call: '[serve] [FILE]', about: 'serves; takes over every save of the file' },
  { name: 'check', call: 'check [FILE]', about: 'all mistakes, with line, caret and hint' },
  { name: 'fmt', call: 'fmt [FILE] [--check]', about: 'formats the file; values and comments stay' },
  { name: 'explain', call: 'explain URL [--as …]', about: 'which route, which rule, which verdict, and why' },
  { name: 'doctor', call: 'doctor [FILE]', about: 'what keeps users from signing in, and how to fix it' },
  { name: 'sessions', call: 'sessions list|revoke', about: 'who is signed in; ends sign-ins on a running server' },
  { name: 'tokens', call: 'tokens create|list|revoke', about: 'for scripts and apps, in place of signing in' },
  { name: 'guests', call: 'guests create|list|revoke', about: 'links by which guests open one address' },
  {
    name: 'requests',
    call: 'requests list|grant|deny',
    about: 'who asks for access, and who was granted it',
    words: ['list', 'grant', 'deny', 'revoke'],
  },
  { name: 'audit', call: 'audit [--who …]', about: 'who signed in, was refused, made a token' },
  {
    name: 'user',
    call: 'user add|passwd|invite …',
    about: 'a file of users, with passwords or passkeys',
    words: ['add', 'passwd', 'remove', 'totp', 'list', 'convert', 'invite', 'reset'],
  },
  { name: 'client-key', call: 'client-key FILE', about: 'what a provider has to know of a client’s key' },
  { name: 'backup', call: 'backup FILE', about: 'copies the session database, while it is in use too' },
  { name: 'restore', call: 'restore FILE', about: 'puts such a copy in place, also while it is in use' },
  { name: 'demo', call: 'demo', about: 'everything on this machine, to try it in a minute' },
  { name: 'init', call: 'init', about: 'asks little, and writes a first routes.toml' },
  {
    name: 'recipe',
    call: 'recipe list|NAME',
    about: 'routes for well-known applications',
    words: ['list', ...RECIPE_NAMES],
  },
  { name: 'import', call: 'import FILE...', about: 'a routes.toml from oauth2-proxy or Caddy' },
  { name: 'rehearse', call: 'rehearse LOG', about: 'which requests of a log this file would refuse' },
  {
    name: 'service',
    call: 'service [systemd|…]',
    about: 'what runs this as a service: a hardened unit',
    words: ['systemd', 'socket', 'openrc', 'launchd'],
  },
  { name: 'schema', call: 'schema', about: 'the JSON schema of routes.toml, for editors' },
  { name: 'completion', call: 'completion bash|zsh|fish', about: 'what completes all this in your shell' },
  { name: 'health', call: 'health [ADDRESS]', about: 'asks the admin listener; exit code 0 when ready' },
  { name: 'version', call: 'version [--json]', about: 'version, Bun, platform; the commit too' },
  { name: 'help', call: 'help [TOPIC|COMMAND]', about: 'this list, a chapter, or a command’s options' },
]
