import type { ApiAnswer, ApiRequest, Routes } from '../http/index.ts';
import { invalidField, type AppError } from '../kernel/errors.ts';
import { errorItem, itemBody, json, tooLarge, valueBody } from './answers.ts';
import { batchOf, callerOf, checkedKey } from './requests.ts';
import type { Storage } from './storage.ts';
import type { Answered, Write } from './types.ts';
import { isDone } from './writes.ts';

/** Specification section 10.3.6. */
export function batchRoutes(storage: Storage): Routes {
  const { limits } = storage;

  /** Does what can be done of a batch, and answers item by item, in the order of the items. */
  const batch = async (request: ApiRequest, deletes: boolean): Promise<ApiAnswer> => {
    const { atomic = false } = request.body as { atomic?: boolean };
    const items = batchOf(request, limits, deletes);
    const refusalOf = (item: (typeof items)[number]): AppError | undefined => {
      if ('problem' in item) return invalidField('key', item.problem);
      return item.value !== undefined && item.value.bytes > limits.maxValueBytes ? tooLarge(item.value.bytes, limits) : undefined;
    };
    const refusals = items.map(refusalOf);
    const writes = items.filter((_item, index) => refusals[index] === undefined) as Write[];
    const abandon = atomic && writes.length < items.length;
    const outcomes: Answered[] = abandon ? writes.map(({ key }) => ({ kind: 'aborted', key, replayed: false })) : await storage.write(callerOf(request), writes, atomic);
    const done = outcomes.values();
    const results = items.map((item, index) => {
      const refusal = refusals[index];
      return refusal === undefined ? itemBody(done.next().value!, limits) : errorItem(item.key, refusal);
    });
    const success = refusals.every((refusal) => refusal === undefined) && outcomes.every(isDone);
    return json({ success, results });
  };

  return {
    getStorageBatch: async (request) => {
      const { keys } = request.body as { keys: string[] };
      keys.forEach((key, index) => checkedKey(key, limits, `keys.${index}`));
      const found = await storage.getMany(callerOf(request), keys);
      return json({
        items: keys.map((key) => {
          const entry = found.get(key);
          return entry === undefined ? { key, found: false } : valueBody(entry, '"found":true,');
        }),
      });
    },
    setStorageBatch: (request) => batch(request, false),
    deleteStorageBatch: (request) => batch(request, true),
  };
}
