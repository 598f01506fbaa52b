import { COMMANDS } from '../../src/cli/help/commands.ts'
import { TOPICS } from '../../src/cli/help/topics.ts'
import { run } from '../../src/cli/run.ts'
import { type Io, processIo } from '../../src/console/io.ts'
import { readUsage } from '../../src/console/usage.ts'

/** What a manual page says of the release that it belongs to: the time in seconds since 1970. */
interface Described {
  readonly version: string
  readonly time: number
}

/** sallyport(1) in roff(7), of the lists and help texts that the program itself shows. */
export async function manualPage({ version, time }: Described): Promise<string> {
  const date = new Date(time * 1000).toISOString().slice(0, 10)
  const io = processIo()
  const commands = await Promise.all(
    COMMANDS.map(async ({ name, about }) => `.SS ${name}\n${words(about)}.\n.PP\n${usage(await helpOf(name, io))}`),
  )
  return `.\\" Made of the help texts of sallyport ${version}.
.ds AD l
.TH SALLYPORT 1 "${date}" "Sallyport ${words(version)}" "User Commands"
.nh
.SH NAME
sallyport \\- authenticating reverse proxy with OpenID Connect sign\\-in
.SH SYNOPSIS
.nf
${COMMANDS.map(({ call }) => `\\fBsallyport\\fR ${words(call)}`).join('\n')}
.fi
.SH DESCRIPTION
One executable and one routes.toml in front of every service: signs people in at an OpenID Connect provider,
lets through what the file says, and tells the services who is there.
.SH COMMANDS
${commands.join('\n')}
.SH CHAPTERS
\\fBsallyport help\\fR \\fITOPIC\\fR shows one of these, and \\fBsallyport help\\fR \\fINAME\\fR what a key of routes.toml,
an error code or a metric means.
${TOPICS.map(({ name, about }) => row(name, about)).join('\n')}
.SH FILES
${FILES.map(([path, about]) => row(path, about)).join('\n')}
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR logrotate (8),
.BR systemd.socket (5)
`
}

/** What the Debian package brings, or makes. */
const FILES = [
  ['/etc/sallyport/routes.toml', 'what is served, to whom: sallyport init writes a first one'],
  ['/etc/sallyport/environment', 'variables that routes.toml takes, as NAME=VALUE, for the service alone'],
  ['/var/lib/sallyport', 'the session database and its key'],
  ['/var/log/sallyport', 'the only folder that the service may write the files of [log] in'],
  ['/etc/logrotate.d/sallyport', 'how they are rotated'],
] as const

async function helpOf(command: string, io: Io): Promise<string> {
  let text = ''
  const stdout = (more: string) => {
    text += more
  }
  const code = await run([command, '--help'], { ...io, stdout })
  if (code !== 0) throw new Error(`sallyport ${command} --help exited ${code}`)
  return text
}

function usage(text: string): string {
  const lines: string[] = []
  let isParagraph = false
  for (const { first, words: said } of readUsage(text.trimEnd())) {
    if (isParagraph && said !== '' && first.trim() === '') lines.push('.br')
    isParagraph = said !== '' && first.trim() === ''
    if (first.trim() !== '') lines.push(row(first.trim(), said))
    else lines.push(said === '' ? '.PP' : words(said))
  }
  return lines.join('\n')
}

function row(name: string, about: string): string {
  return `.TP\n\\fB${words(name)}\\fR\n${words(about)}`
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\(rs',
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
  '"': '\\(dq',
}

/** Text that roff shows as it is: a dash that can be copied, and no request at the beginning of a line. */
function words(text: string): string {
  const plain = text.replace(/[\\\-'`^~"]|[^ -~]/gu, one => SPECIAL[one] ?? `\\[u${hex(one)}]`)
  return plain.startsWith('.') ? `\\&${plain}` : plain
}

function hex(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')
}
