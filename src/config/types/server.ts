import type { OutgoingConfig } from '../../base/outgoing.ts'

/** A place to listen on. */
export type ListenAddress =
  | {
      readonly kind: 'tcp'
      /** A name or an address; IPv6 without brackets. */
      readonly host: string
      /** 0: any free port. */
      readonly port: number
      /** Whether IPv4 is left to another listener on this port; `[::]` alone takes both. */
      readonly isIpv6Only?: true
    }
  | { readonly kind: 'unix'; readonly path: string }

export interface ServerConfig {
  readonly listen: readonly ListenAddress[]
  /** CIDRs (or single addresses, as /32 or /128) of peers whose X-Forwarded-* count. */
  readonly trustedProxies: readonly string[]
  /** The field in which those say where the client is, as written. */
  readonly clientAddress: string
  /** Fields that those may set, in lower case. */
  readonly trustedFields: readonly string[]
  /** Processes that share the listeners; `auto` is one for each core. */
  readonly workers: number | 'auto'
  readonly admin: ListenAddress | null
  /** Hosts by which that is asked, besides this machine and its address; lower case, IPv6 in brackets. */
  readonly adminHosts: readonly string[]
  /** Where proxies in front ask whether a request may pass; none: nobody asks. */
  readonly verify: readonly ListenAddress[]
  /** By which proxy requests of our own go; null: by none. */
  readonly outgoing: OutgoingConfig | null
  readonly accessLog: boolean
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  /** How long requests in flight may take to finish after SIGTERM. */
  readonly drainMs: number
  readonly flows: FlowsConfig
  /** How many connections one client may have open; null for any number. */
  readonly maxConnections: number | null
  /** How long one message of a WebSocket may be, in either direction. */
  readonly maxMessageBytes: number
  /** Whether admins may change the file in the browser. */
  readonly isEditable: boolean
  /** Requests that a client gives up before they are answered; null: they are not counted. */
  readonly resets: RateConfig | null
  /** Sign-ins that each client may begin. */
  readonly signIns: RateConfig
  /** For each client; null: no limit. */
  readonly rate: RateConfig | null
}

/** How much bodies under way may take of the process. */
export interface FlowsConfig {
  /** How many one client may have; null for any number. */
  readonly maxOpen: number | null
  /** How long one may go without progress. */
  readonly stallMs: number
  /** What those that nobody takes may hold together; null for a part of what the process may use. */
  readonly memoryBytes: number | null
}

/** How many requests may come. */
export interface RateConfig {
  readonly requests: number
  readonly perMs: number
  /** How many of them at once. */
  readonly burst: number
  /** Who shares an allowance. */
  readonly by: 'client' | 'user' | 'route'
}
