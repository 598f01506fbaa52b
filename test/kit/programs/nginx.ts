import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The lines of a nginx.conf, by the block that they belong into. */
export interface NginxLines {
  readonly main: string
  readonly events: string
  readonly http: string
}

/** The command that runs nginx with one worker in the foreground. Its configuration and all its files go into `home`. */
export function nginxCommand(home: string, { main, events, http }: NginxLines): readonly string[] {
  mkdirSync(home, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${home}/${name};`,
  )
  const file = join(home, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${home}/pid; ${main}
events { ${events} }
http { access_log off; ${temporary.join(' ')}
${http}
}
`,
  )
  const asRoot = process.getuid?.() === 0 ? ['-g', 'user root;'] : []
  return ['nginx', '-p', home, '-c', file, ...asRoot]
}
