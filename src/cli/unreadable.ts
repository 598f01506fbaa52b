/** Which files the user of the service cannot read, for commands that root runs. */

import { accessSync, constants, statSync } from 'node:fs'
import { becomeStoreUser, type ServiceUser } from '../console/drop-root.ts'

/** A file that root can read and the service cannot: its path, and how to fix it. */
export interface Unreadable {
  readonly what: string
  readonly hint: string
}

/**
 * Which of these files and folders the service cannot read, tried as its user: modes do not show access lists. Root
 * becomes that user for good; null where it has already become another user, who can check only for themselves.
 *
 * Missing files are left out: `check` reports them.
 */
export function findUnreadable(paths: readonly string[], service: ServiceUser): readonly Unreadable[] | null {
  if (process.geteuid?.() === 0) becomeStoreUser(service)
  if (process.geteuid?.() !== service.uid) return null
  return [...new Set(paths)]
    .filter(path => !mayRead(path))
    .map(path => ({
      what: `the user ${service.name}, who runs the service, cannot read ${path}`,
      hint: `chgrp ${service.group} ${path} && chmod g+r ${path}; and let that user enter the folders on the way there`,
    }))
}

function mayRead(path: string): boolean {
  try {
    const isFolder = statSync(path).isDirectory()
    accessSync(path, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}
