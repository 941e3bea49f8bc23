import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { startChild, tailOf } from './child-process.ts';
import { eventually } from './eventually.ts';
import { atEnd } from './shutdown.ts';
import { temporaryDirectory } from './temporary.ts';

const findNginx = (): string | undefined => [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'].map((path) => join(path, 'nginx')).find((path) => existsSync(path));

/** Says why there is no nginx; undefined when there is. */
export const nginxAvailable = (): string | undefined => (findNginx() === undefined ? 'nginx is not installed (Debian package nginx)' : undefined);

export interface Nginx {
  readonly url: string;
  stop(): Promise<void>;
}

/** In turn to each of the ports; who does not answer is left out for a while, and what it had not begun goes to another. */
const configuration = (directory: string, port: number, upstreams: readonly number[]): string => `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  access_log off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${directory}/${what};`).join(' ')}
  client_max_body_size 12m;
  upstream tmcp { ${upstreams.map((one) => `server 127.0.0.1:${one} max_fails=1 fail_timeout=1s;`).join(' ')} keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://tmcp;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_read_timeout 75s;
      proxy_next_upstream error timeout;
    }
  }
}
`;

/** A reverse proxy in front of servers on this machine, with no affinity. */
export async function startNginx(port: number, upstreams: readonly number[]): Promise<Nginx> {
  const program = findNginx();
  if (program === undefined) throw new Error(nginxAvailable());
  const directory = temporaryDirectory('nginx');
  const file = join(directory, 'nginx.conf');
  writeFileSync(file, configuration(directory, port, upstreams));
  execFileSync(program, ['-t', '-q', '-c', file, '-p', directory], { stdio: 'pipe' });
  const logFile = join(directory, 'nginx.log');
  const child = startChild({ command: program, args: ['-c', file, '-p', directory], directory, logFile, lastSignal: 'SIGTERM' });
  const stop = async (): Promise<void> => {
    if (child.running) await child.end('SIGTERM');
  };
  atEnd(stop);
  const url = `http://127.0.0.1:${port}`;
  await eventually(
    async () => {
      if (!child.running) throw new Error(`nginx ended: ${tailOf(logFile)}`);
      await fetch(url);
    },
    { description: 'nginx answers' },
  );
  return { url, stop };
}
