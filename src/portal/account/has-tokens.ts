import type { PortalRequest } from '../portal.ts'

/** Whether anyone may have tokens here: of their own making, or of a program that they let use an MCP server. */
export function hasTokens({ portal, resources }: Pick<PortalRequest, 'portal' | 'resources'>): boolean {
  return portal.personalTokens || resources.hasOwn
}
