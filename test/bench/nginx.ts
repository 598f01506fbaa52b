import { nginxCommand } from '../kit/programs/nginx.ts'
import { type Child, startChild } from './process.ts'

/** nginx with one worker on one core, all its files in a folder of ours. `lines` belong into its http block. */
export function startNginx(folder: string, core: number, lines: readonly string[]): Child {
  const command = nginxCommand(folder, {
    main: 'worker_rlimit_nofile 20000; error_log stderr crit;',
    events: 'worker_connections 16000;',
    http: `keepalive_requests 100000000; sendfile on; client_max_body_size 0;\n${lines.join('\n')}`,
  })
  return startChild(command, { core })
}
