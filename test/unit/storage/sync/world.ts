import { expect } from 'chai';
import type { Database } from '../../../../src/database/index.ts';
import { asUserId } from '../../../../src/kernel/ids.ts';
import type { Storage } from '../../../../src/storage/index.ts';
import type { Answered, Caller, Write } from '../../../../src/storage/types.ts';
import { Model, quota, type Answer } from './model.ts';

export const deviceCount = 10;
export const keys = ['a', 'bb', 'ccc', 'd', 'e', 'f', 'g'];

/** What happens, in an order that chance has chosen. */
export type Step =
  | { readonly do: 'write'; readonly device: number; readonly key: number; readonly how: 'clock' | 'match' | 'base' | 'plain'; readonly size: number; readonly ttl: boolean; readonly deletes: boolean }
  | { readonly do: 'send'; readonly device: number; readonly lost: 'nothing' | 'request' | 'answer' }
  | { readonly do: 'repeat'; readonly device: number }
  | { readonly do: 'pull'; readonly device: number; readonly limit: number; readonly lost: boolean }
  | { readonly do: 'partition'; readonly device: number; readonly cut: boolean }
  | { readonly do: 'burst' }
  | { readonly do: 'pass'; readonly ms: number };

interface Device {
  readonly name: string;
  /** How far its clock is ahead. */
  readonly skewMs: number;
  cut: boolean;
  since: number;
  readonly replica: Map<string, { rev: number; json: string }>;
  readonly outbox: Write[];
  readonly sent: Write[];
  /** What it was told of its writes. */
  readonly told: Answer[];
}

const shown = (outcome: Answered): Answer => {
  const { kind } = outcome;
  if (kind === 'written' || kind === 'deleted') return { kind, rev: outcome.rev };
  return kind === 'conflict' || kind === 'mismatch' ? { kind, rev: outcome.rev, json: outcome.json } : { kind };
};

/** Ten devices of one person, the real storage, and the model beside it. */
export class World {
  readonly #storage: Storage;
  readonly #database: Database;
  readonly #clock: { time: number };
  readonly #caller: Caller;
  readonly #model = new Model();
  readonly #devices: Device[];
  #writes = 0;

  constructor(storage: Storage, database: Database, clock: { time: number }, namespace: string, skews: readonly number[]) {
    this.#storage = storage;
    this.#database = database;
    this.#clock = clock;
    this.#caller = { userId: asUserId('@alice:hs.test'), namespace, sessionId: 's' };
    this.#devices = skews.map((skewMs, n) => ({ name: `d${n}`, skewMs, cut: false, since: 0, replica: new Map(), outbox: [], sent: [], told: [] }));
  }

  async run(step: Step): Promise<void> {
    if (step.do === 'pass') this.#clock.time += step.ms;
    else if (step.do === 'burst') await this.#burst();
    else await this.#act(this.#devices[step.device]!, step);
    await this.#checkQuota();
  }

  async #act(device: Device, step: Exclude<Step, { do: 'pass' | 'burst' }>): Promise<void> {
    if (step.do === 'partition') device.cut = step.cut;
    else if (step.do === 'write') device.outbox.push(this.#writeOf(device, step));
    else if (device.cut) return;
    else if (step.do === 'pull') await this.#pull(device, step.limit, step.lost);
    else if (step.do === 'repeat') {
      const again = device.sent.at(-1);
      if (again !== undefined) await this.#deliver(again);
    } else await this.#send(device, step.lost);
  }

  #writeOf(device: Device, step: Extract<Step, { do: 'write' }>): Write {
    this.#writes += 1;
    const key = keys[step.key]!;
    const text = `${this.#writes}${'x'.repeat(step.size)}`;
    const seen = device.replica.get(key)?.rev;
    const match = step.how === 'match' && seen !== undefined ? { ifMatch: [seen] } : {};
    const base = step.how === 'base' ? { baseRev: seen ?? 0 } : {};
    return {
      key,
      value: step.deletes ? undefined : { json: JSON.stringify(text), bytes: text.length },
      ttlMs: step.ttl ? 60_000 : undefined,
      contentType: undefined,
      conditions: { ...match, ...base },
      clientAt: step.how === 'plain' ? undefined : this.#clock.time + device.skewMs,
      mutationId: `${device.name}-${this.#writes}`,
    };
  }

  async #deliver(write: Write): Promise<Answer> {
    const now = this.#clock.time;
    const answer = shown(await this.#storage.writeOne(this.#caller, write));
    expect(answer, `${write.mutationId} on ${write.key}`).to.deep.equal(this.#model.write(write, now));
    return answer;
  }

  async #send(device: Device, lost: 'nothing' | 'request' | 'answer'): Promise<void> {
    const [write] = device.outbox;
    if (write === undefined || lost === 'request') return;
    const answer = await this.#deliver(write);
    if (lost === 'answer') return;
    device.outbox.shift();
    device.sent.push(write);
    device.told.push(answer);
  }

  async #pull(device: Device, limit: number, lost: boolean): Promise<boolean> {
    this.#model.expire(this.#clock.time);
    const { changes, next, more } = await this.#storage.changes(this.#caller, device.since, limit);
    expect(changes.every(({ rev }, index) => rev > (changes[index - 1]?.rev ?? device.since)), 'in order').to.equal(true);
    if (lost) return more;
    for (const { key, rev, json } of changes) {
      if (json === undefined) device.replica.delete(key);
      else device.replica.set(key, { rev, json });
    }
    device.since = next;
    return more;
  }

  /** Every device that is not cut off sends its first write at the same moment. The model says what may come of it together. */
  async #burst(): Promise<void> {
    const senders = this.#devices.filter(({ cut, outbox }) => !cut && outbox.length > 0);
    const answers = await Promise.all(senders.map(({ outbox }) => this.#storage.writeOne(this.#caller, outbox[0]!)));
    // They were done one after another, in the order in which they came: what must be told is what the model says in that order.
    for (const [index, device] of senders.entries()) {
      const write = device.outbox.shift()!;
      expect(shown(answers[index]!), `burst: ${write.mutationId} on ${write.key}`).to.deep.equal(this.#model.write(write, this.#clock.time));
      device.sent.push(write);
      device.told.push(shown(answers[index]!));
    }
  }

  async #checkQuota(): Promise<void> {
    const usage = await this.#storage.usage(this.#caller);
    expect(usage.bytes, 'bytes').to.be.at.most(quota.maxBytes);
    expect(usage.keys, 'keys').to.be.at.most(quota.maxKeys);
    expect({ bytes: usage.bytes, keys: usage.keys }).to.deep.equal(this.#model.usage(this.#clock.time));
  }

  /** Everything comes together: all are online, everything is sent and fetched. */
  async settle(): Promise<void> {
    for (const device of this.#devices) {
      device.cut = false;
      while (device.outbox.length > 0) await this.#send(device, 'nothing');
    }
    await this.#converge();
    // What has a time to live is gone from all of them in the end.
    this.#clock.time += 60_000;
    await this.#converge();
    this.#checkConditionalWrites();
    this.#checkThatAllWereTold();
    const counted = await this.#database.sql('storage_entry as e').join('storage_space as s', 's.id', 'e.space_id').where('s.namespace', this.#caller.namespace).whereNull('e.deleted_at').sum<{ bytes: number | null }[]>({ bytes: 'e.bytes' }).count<{ bytes: number | null; keys: number }[]>({ keys: '*' });
    const { bytes, keys: count } = await this.#storage.usage(this.#caller);
    expect({ bytes, keys: count }, 'the counters').to.deep.equal({ bytes: counted[0]!.bytes ?? 0, keys: counted[0]!.keys });
  }

  async #converge(): Promise<void> {
    for (const device of this.#devices) while (await this.#pull(device, 3, false));
    const truth = new Map([...this.#model.live(this.#clock.time)].map(([key, { rev, json }]) => [key, { rev, json }]));
    for (const device of this.#devices) expect(new Map([...device.replica].sort()), `the replica of ${device.name}`).to.deep.equal(new Map([...truth].sort()));
  }

  /** What somebody wrote over a revision that they had seen is never replaced by what is older than it. */
  #checkConditionalWrites(): void {
    const { history } = this.#model;
    for (const [index, line] of history.entries()) {
      if (!line.conditional) continue;
      const successor = history.slice(index + 1).find(({ key }) => key === line.key);
      if (successor?.byClock !== undefined) expect(successor.byClock, `what replaced revision ${line.rev}`).to.be.at.least(line.at);
    }
  }

  /** Each write that is in the history was acknowledged once, and each other one's device was told that it is not. */
  #checkThatAllWereTold(): void {
    const acknowledged = this.#devices.flatMap(({ told }) => told.filter(({ kind }) => kind === 'written' || kind === 'deleted').map(({ rev }) => rev!));
    const written = this.#model.history.filter(({ cause }) => cause === 'write').map(({ rev }) => rev);
    expect(acknowledged.sort((a, b) => a - b)).to.deep.equal(written);
    const told = this.#devices.reduce((sum, device) => sum + device.told.length, 0);
    expect(told, 'every write was answered').to.equal(this.#writes);
  }
}
