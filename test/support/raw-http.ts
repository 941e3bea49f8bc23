import { connect } from 'node:net';

const PARTS = 6;

/** Sends bytes as they are and returns what comes back until the other side closes, or is silent for `silentMs` after an answer. */
export function sendRaw(url: string, bytes: string | Buffer, silentMs = 300): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes));
    const end = (): void => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString('latin1'));
    };
    let silence: NodeJS.Timeout | undefined;
    // In parts: a server in this process is asked in between, however long both stood still.
    const listen = (parts: number): void => void (silence = setTimeout(() => (parts > 1 ? listen(parts - 1) : end()), silentMs / PARTS));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(silence);
      listen(PARTS);
    });
    socket.on('close', () => {
      clearTimeout(silence);
      end();
    });
    socket.on('error', () => undefined);
  });
}

/** The statuses of all answers in it, in order. */
export const statusesIn = (text: string): number[] => [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
