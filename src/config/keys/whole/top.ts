import { includePattern } from '../../values/include-pattern.ts'
import { list } from '../../values/value.ts'
import { type Keys, optional } from '../table.ts'

/** What stands above all tables. */
export const TOP = {
  include: optional(
    list(includePattern, { single: true }),
    ['conf.d/*.toml'],
    'nothing',
    "Files that go on where this one ends: paths, with a star for any name (not for folders, and not for names that begin with a dot). Relative ones start at this file's folder, and so do all paths in what is included.",
  ),
} as const satisfies Keys
