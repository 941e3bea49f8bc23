import { Agent, request } from 'node:http';
import { parentPort } from 'node:worker_threads';

export interface SendOrder {
  readonly port: number;
  readonly hsToken: string;
  readonly inFlight: number;
  readonly transactions: number;
}

export const eventsPerTransaction = 100;
const rooms = 10;

let counter = 0;
/** As Synapse sends it: one hundred events that all concern us, from several rooms. */
function transaction(): Buffer {
  const events = Array.from({ length: eventsPerTransaction }, () => {
    counter += 1;
    return {
      type: 'm.tween.miniapp.launch',
      event_id: `$${String(counter).padStart(43, 'x')}`,
      room_id: `!room${counter % rooms}:bench.test`,
      sender: '@alice:bench.test',
      origin_server_ts: 1_763_900_000_000 + counter,
      content: { miniapp_id: 'ma_shop_001', launch_source: 'chat_bubble', launch_params: { product_id: `prod_${counter}` } },
      unsigned: { age: 12 },
    };
  });
  return Buffer.from(JSON.stringify({ events }));
}

function put(agent: Agent, { port, hsToken }: SendOrder, txnId: string, body: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request(
      { agent, port, host: '127.0.0.1', method: 'PUT', path: `/_matrix/app/v1/transactions/${txnId}`, headers: { authorization: `Bearer ${hsToken}`, 'content-type': 'application/json', 'content-length': body.length } },
      (res) => {
        res.resume();
        res.on('end', () => (res.statusCode === 200 ? resolve() : reject(new Error(`status ${res.statusCode}`))));
      },
    );
    req.on('error', reject);
    req.end(body);
  });
}

/** Transactions per second. */
async function send(order: SendOrder): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: order.inFlight });
  const bodies = Array.from({ length: order.transactions }, transaction);
  const start = performance.now();
  const sendAll = async (): Promise<void> => {
    for (let body = bodies.pop(); body !== undefined; body = bodies.pop()) {
      counter += 1;
      await put(agent, order, `t${counter}`, body);
    }
  };
  await Promise.all(Array.from({ length: order.inFlight }, sendAll));
  const seconds = (performance.now() - start) / 1000;
  agent.destroy();
  return order.transactions / seconds;
}

parentPort?.on('message', (order: SendOrder) => void send(order).then((rate) => parentPort?.postMessage(rate)));
