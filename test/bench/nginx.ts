import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, startChild } from './process.ts'

/** nginx with one worker on one core, all its files in a folder of ours. `lines` belong into its http block. */
export function startNginx(folder: string, core: number, lines: readonly string[]): Child {
  mkdirSync(folder, { recursive: true })
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${folder}/${name};`,
  )
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 16000; }
http { access_log off; keepalive_requests 100000000; sendfile on; client_max_body_size 0; ${temporary.join(' ')}
${lines.join('\n')}
}
`,
  )
  return startChild(['nginx', '-p', folder, '-c', file, ...(process.getuid?.() === 0 ? ['-g', 'user root;'] : [])], {
    core,
  })
}
