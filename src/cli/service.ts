/** `sallyport service`: what runs Sallyport as a service, for systemd and others. */

import { resolve } from 'node:path'
import { EXIT, failWith, parseArguments } from '../console/args.ts'
import type { Io } from '../console/io.ts'
import { nextCommand } from '../console/process.ts'

export const USAGE = {
  text: `usage: sallyport service [systemd|socket|openrc|launchd] [options]

Prints the definition that runs Sallyport as a service: a hardened unit for systemd (and one for its sockets), a script for OpenRC, or a
property list for launchd. It writes nothing.
Exit code: 0 shown, 2 for an unknown name.

  --config FILE, -c   the file to serve; default: /etc/sallyport/routes.toml
  --user NAME         the service's user; default: sallyport
  --program FILE      the executable; default: this one
  --listen ADDRESS    systemd, socket: the addresses where systemd listens (0.0.0.0:443; several with commas)`,
  options: {
    config: { type: 'string', short: 'c' },
    user: { type: 'string' },
    program: { type: 'string' },
    listen: { type: 'string' },
  },
  maxPositionals: 1,
} as const

/** What may stand in a unit, a script and a list alike without being read as anything else. */
const PLAIN = /^[\w@+=:,./[\]-]+$/

/** What ProtectHome and PrivateTmp of the unit for systemd hide. */
const HIDDEN = /^\/(?:home|root|run\/user|tmp|var\/tmp)\//

/** `sallyport service`: answers the exit code. */
export async function runService(argv: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments(argv, USAGE, io)
  if (!parsed.ok) return parsed.exitCode
  const { positionals, values } = parsed
  const [kind = 'systemd'] = positionals
  const print = kind === 'socket' ? socketUnit : Object.hasOwn(SERVICES, kind) ? SERVICES[kind] : undefined
  if (print === undefined)
    return failWith(io, `there is no definition for "${kind}": socket, ${Object.keys(SERVICES).join(', ')}`, EXIT.usage)
  const ports = values.listen?.split(',') ?? []
  const mayListen = kind === 'socket' || kind === 'systemd'
  if (ports.length > 0 && !mayListen)
    return failWith(io, '--listen is for systemd alone: others hand no sockets to a service', EXIT.usage)
  if (ports.length === 0 && kind === 'socket')
    return failWith(io, 'a socket unit needs --listen, with the addresses that the file has in listen', EXIT.usage)
  const place: ServicePlace = {
    program: resolve(io.cwd, values.program ?? nextCommand()[0] ?? 'sallyport'),
    config: resolve(io.cwd, values.config ?? '/etc/sallyport/routes.toml'),
    user: values.user ?? 'sallyport',
    ports,
  }
  for (const word of [place.program, place.config, place.user, ...ports]) {
    if (PLAIN.test(word)) continue
    return failWith(
      io,
      `"${word}" has characters with a special meaning in a service definition: choose a plain name`,
      EXIT.usage,
    )
  }
  await io.stdout(print(place))
  const hidden = print === systemd ? [place.program, place.config].filter(path => HIDDEN.test(path)) : []
  if (hidden.length > 0) {
    io.stderr(
      `the unit hides home folders and /tmp from the service, and so ${hidden.join(' and ')}: install the program in /usr/local/bin and the file in /etc/sallyport (docs/as-a-service.md)\n`,
    )
  }
  return EXIT.ok
}

/** What a definition of the service has to know of the machine. */
interface ServicePlace {
  /** The executable. */
  readonly program: string
  /** routes.toml. */
  readonly config: string
  /** Who runs it. */
  readonly user: string
  /** Where a socket unit listens for it; none: it opens its sockets itself. */
  readonly ports: readonly string[]
}

/** The service managers, and how each learns of this service. */
const SERVICES: Readonly<Record<string, (place: ServicePlace) => string>> = { systemd, openrc, launchd }

/**
 * A unit for systemd 247 and newer, hardened: of the privileges that systemd-analyze(1) knows, what is left is the network, the
 * port below 1024, and memory that is written and run, which the JavaScript engine needs (no MemoryDenyWriteExecute).
 */
function systemd({ program, config, user, ports }: ServicePlace): string {
  const hasSocket = ports.length > 0
  return `# /etc/systemd/system/sallyport.service: sallyport service > that, then systemctl daemon-reload
[Unit]
Description=Sallyport, an authenticating reverse proxy
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0
${hasSocket ? 'Requires=sallyport.socket\nAfter=sallyport.socket\n' : ''}
[Service]
Type=notify
User=${user}
StateDirectory=sallyport
StateDirectoryMode=0700
# Here the server says where its data is: commands beside it find it by themselves, also while it is stopped.
RuntimeDirectory=sallyport
RuntimeDirectoryPreserve=yes
# For [log] with files: nothing else can be written.
LogsDirectory=sallyport
LogsDirectoryMode=0750
UMask=0077
# Secrets that the file takes from the environment, as NAME=VALUE.
EnvironmentFile=-/etc/sallyport/environment
Environment=SALLYPORT_DATA=/var/lib/sallyport BUN_CONFIG_MAX_HTTP_REQUESTS=65535
ExecStart=${program} serve --config ${config}
# A file with mistakes fails the reload. The shell's own kill: not every machine has another.
ExecReload=${program} check --config ${config}
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
# Another process takes over: systemctl kill --kill-whom=main -s USR2 sallyport
# systemd waits for its own child alone, which a process that took over is not: it would be killed at once.
ExecStop=-/bin/sh -c 'kill -TERM $MAINPID && while kill -0 $MAINPID; do sleep 0.1; done 2>/dev/null'
KillMode=mixed
# For as long as it takes: whoever mends the file need not start it. Each wait is longer, up to the last.
Restart=on-failure
RestartSec=1
RestartSteps=5
RestartMaxDelaySec=10
WatchdogSec=30
# SIGABRT would have it tell of a crash of its own.
WatchdogSignal=SIGKILL
LimitNOFILE=65536

${hasSocket ? 'CapabilityBoundingSet=' : 'AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE'}
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
DevicePolicy=closed
ProtectClock=true
ProtectControlGroups=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectProc=invisible
KeyringMode=private
LockPersonality=true
RemoveIPC=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
SystemCallArchitectures=native
# pidfd_getfd: a process that takes over gets the sockets of workers by it.
SystemCallFilter=@system-service pidfd_getfd
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
}

/** For OpenRC with its supervise-daemon. */
function openrc({ program, config, user }: ServicePlace): string {
  return `#!/sbin/openrc-run
# /etc/init.d/sallyport, executable: sallyport service openrc > that
name="Sallyport"
supervisor=supervise-daemon
command="${program}"
command_args="serve --config ${config}"
command_user="${user}"
directory="/var/lib/sallyport"
output_log="/var/log/sallyport.log"
error_log="/var/log/sallyport.log"
capabilities="^cap_net_bind_service"
no_new_privs=yes
retry="SIGTERM/15"
extra_started_commands="reload"
export SALLYPORT_DATA="/var/lib/sallyport"
export RUNTIME_DIRECTORY="/run/sallyport"

depend() {
  need net
}

start_pre() {
  checkpath --directory --owner "${user}" --mode 0700 /var/lib/sallyport
  checkpath --directory --owner "${user}" --mode 0755 /run/sallyport
  checkpath --file --owner "${user}" --mode 0640 /var/log/sallyport.log
}

reload() {
  ebegin "Reloading $name"
  supervise-daemon "$RC_SVCNAME" --signal HUP
  eend $?
}
`
}

/** For launchd of macOS. */
function launchd({ program, config, user }: ServicePlace): string {
  const words = [program, 'serve', '--config', config].map(word => `    <string>${xml(word)}</string>`)
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- /Library/LaunchDaemons/sallyport.plist: sallyport service launchd > that, then launchctl bootstrap system FILE -->
<plist version="1.0">
<dict>
  <key>Label</key><string>sallyport</string>
  <key>UserName</key><string>${xml(user)}</string>
  <key>ProgramArguments</key>
  <array>
${words.join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict><key>SALLYPORT_DATA</key><string>/usr/local/var/sallyport</string></dict>
  <key>RunAtLoad</key><true/>
  <key>KeepAlive</key><true/>
  <key>ExitTimeOut</key><integer>15</integer>
  <key>StandardOutPath</key><string>/usr/local/var/log/sallyport.log</string>
  <key>StandardErrorPath</key><string>/usr/local/var/log/sallyport.log</string>
</dict>
</plist>
`
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

/** The socket unit that goes with a unit of systemd: systemd listens, before the service runs and while it is restarted. */
function socketUnit({ ports }: ServicePlace): string {
  const both = ports.filter(port => port.startsWith('[::]:'))
  const byIpv4 = new Set(ports.flatMap(port => /^[\d.]+(:\d+)$/.exec(port)?.[1] ?? []))
  const portOf = (port: string) => port.slice('[::]'.length)
  const isSplit = both.some(port => byIpv4.has(portOf(port)))
  // The setting is one for all sockets of a unit: what is to have both families is then listed by each.
  const others = isSplit ? both.filter(port => !byIpv4.has(portOf(port))).map(port => `0.0.0.0${portOf(port)}`) : []
  return `# /etc/systemd/system/sallyport.socket: what listen in routes.toml says, too
[Unit]
Description=Sockets of Sallyport

[Socket]
${[...ports, ...others].map(port => `ListenStream=${port}`).join('\n')}
BindIPv6Only=${isSplit ? 'ipv6-only' : 'both'}
Backlog=4096

[Install]
WantedBy=sockets.target
`
}
