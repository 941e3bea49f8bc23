import { answer, TextStream, type ApiAnswer, type Routes } from '../http/index.ts';
import type { Clock } from '../kernel/clock.ts';
import { invalidField } from '../kernel/errors.ts';
import { writeJson } from '../kernel/json-text.ts';
import { changeBody, entityTag, entryBody, json, outcomeBody, outcomeError, tooLarge, usageBody, valueBody } from './answers.ts';
import { batchRoutes } from './batch-routes.ts';
import { cursorOf, keyOfCursor, textProblem } from './keys.ts';
import { callerOf, checkedKey, conditionsOf, deleteOf, putOf } from './requests.ts';
import type { Storage } from './storage.ts';
import type { Answered, OpenEntry } from './types.ts';

export interface StorageRoutesDependencies {
  readonly storage: Storage;
  readonly clock: Clock;
}

async function* lines(entries: AsyncIterable<OpenEntry>): AsyncGenerator<string> {
  for await (const entry of entries) yield `${writeJson(valueBody(entry))}\n`;
}

export function storageRoutes({ storage, clock }: StorageRoutesDependencies): Routes {
  const { limits } = storage;

  const answerTo = (outcome: Answered): ApiAnswer => {
    const error = outcomeError(outcome, limits);
    const replayed: Record<string, string> = outcome.replayed ? { 'Idempotency-Replayed': 'true' } : {};
    if (error !== undefined) throw error;
    const body = outcomeBody(outcome as Extract<Answered, { kind: 'written' | 'deleted' | 'conflict' }>);
    return json(body, outcome.kind === 'written' ? { ...replayed, ETag: entityTag(outcome.rev) } : replayed);
  };

  return {
    ...batchRoutes(storage),
    getStorageEntry: async (request) => {
      const entry = await storage.get(callerOf(request), checkedKey(request.path.key as string, limits));
      const tag = { ETag: entityTag(entry.rev) };
      const { ifNoneMatch } = conditionsOf(request.headers, {});
      if (ifNoneMatch === 'any' || ifNoneMatch?.includes(entry.rev) === true) return answer(undefined, 304, tag);
      return json(valueBody(entry), tag);
    },
    putStorageEntry: async (request) => {
      const write = putOf(request, limits);
      if (write.value!.bytes > limits.maxValueBytes) throw tooLarge(write.value!.bytes, limits);
      return answerTo(await storage.writeOne(callerOf(request), write));
    },
    deleteStorageEntry: async (request) => answerTo(await storage.writeOne(callerOf(request), deleteOf(request, limits))),
    listStorageKeys: async (request) => {
      const { prefix, limit, cursor } = request.query as { prefix: string; limit: number; cursor?: string };
      const problem = textProblem(prefix, limits.maxKeyBytes);
      if (problem !== undefined) throw invalidField('prefix', problem);
      const after = cursor === undefined ? undefined : keyOfCursor(cursor);
      if (cursor !== undefined && (after === undefined || textProblem(after, limits.maxKeyBytes) !== undefined)) throw invalidField('cursor', 'is not one that this server gave');
      const { entries, more } = await storage.list(callerOf(request), { prefix, after, limit });
      const last = entries.at(-1);
      return answer({ keys: entries.map(({ key }) => key), items: entries.map(entryBody), has_more: more, ...(more && last !== undefined ? { next_cursor: cursorOf(last.key) } : {}) });
    },
    getStorageInfo: async (request) => answer(usageBody(await storage.usage(callerOf(request)), limits)),
    listStorageChanges: async (request) => {
      const { since, limit, wait } = request.query as { since: number; limit: number; wait: number };
      const untilMs = clock.now() + wait * 1000;
      const { changes, next, more } = await storage.waitForChanges(callerOf(request), since, limit, { untilMs, gone: request.gone, checkAccess: request.checkAccess });
      return json({ changes: changes.map(changeBody), next_since: next, has_more: more });
    },
    exportStorage: (request) => answer(new TextStream('application/x-ndjson', lines(storage.exportAll(callerOf(request)))), 200, { 'Content-Disposition': 'attachment; filename="storage.jsonl"' }),
  };
}
