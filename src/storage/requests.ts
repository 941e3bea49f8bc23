import { principalOf, type ApiRequest } from '../http/index.ts';
import { invalidField } from '../kernel/errors.ts';
import { textAt, textsOfItems, type JsonText } from '../kernel/json-text.ts';
import { keyProblem } from './keys.ts';
import type { Caller, Conditions, Limits, NewValue, Write } from './types.ts';

/** Whose entries: the token says it, and nothing else (specification section 10.3.8). */
export const callerOf = (request: ApiRequest): Caller => {
  const { userId, audience, sessionId } = principalOf(request, 'session');
  return { userId, namespace: audience, sessionId };
};

/** What a request says of one write, in the wire's spelling. */
export interface WriteFields {
  readonly value?: unknown;
  readonly ttl?: number;
  readonly metadata?: { readonly content_type?: string };
  readonly client_timestamp?: number;
  readonly base_rev?: number;
  readonly mutation_id?: string;
  readonly if_none_match?: '*';
}

export type BatchItem = WriteFields & { readonly key: string };

/** `key`, if it can be one. @throws AppError INVALID_REQUEST, naming `field` */
export function checkedKey(key: string, limits: Limits, field = 'key'): string {
  const problem = keyProblem(key, limits.maxKeyBytes);
  if (problem !== undefined) throw invalidField(field, problem);
  return key;
}

/** The revisions of an entity tag list (RFC 9110 section 8.8.3), weak ones too: proxies weaken them. A tag that is none of ours names no revision. */
function parseTags(header: string | undefined): readonly number[] | 'any' | undefined {
  if (header === undefined) return undefined;
  if (header.trim() === '*') return 'any';
  return [...header.matchAll(/"([^"]*)"/g)].map(([, tag]) => (/^[1-9]\d{0,15}$/.test(tag ?? '') ? Number(tag) : -1));
}

export function conditionsOf(headers: ApiRequest['headers'], { base_rev: baseRev, if_none_match: none }: WriteFields): Conditions {
  const ifMatch = parseTags(headers['if-match']);
  const ifNoneMatch = none === undefined ? parseTags(headers['if-none-match']) : 'any';
  return { ...(ifMatch === undefined ? {} : { ifMatch }), ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }), ...(baseRev === undefined ? {} : { baseRev }) };
}

/** A value as it was sent. A form has only texts. */
function newValue(value: unknown, sent: JsonText | undefined): NewValue {
  if (typeof value === 'string') return { json: JSON.stringify(value), bytes: Buffer.byteLength(value) };
  const json = sent?.text ?? JSON.stringify(value);
  return { json, bytes: Buffer.byteLength(json) };
}

/** @throws AppError INVALID_REQUEST for a time to live beyond the limit; `at` goes before the field's name */
function writeOf(key: string, fields: WriteFields, value: NewValue | undefined, conditions: Conditions, limits: Limits, at = ''): Write {
  const { ttl, metadata, client_timestamp: clientSeconds, mutation_id: mutationId } = fields;
  const ttlMs = ttl === undefined ? undefined : ttl * 1000;
  if (ttlMs !== undefined && ttlMs > limits.maxTtlMs) throw invalidField(`${at}ttl`, `must be <= ${limits.maxTtlMs / 1000}`);
  return { key, value, ttlMs, contentType: metadata?.content_type, conditions, clientAt: clientSeconds === undefined ? undefined : Math.round(clientSeconds * 1000), mutationId };
}

export function putOf(request: ApiRequest, limits: Limits): Write {
  const fields = request.body as WriteFields;
  const text = typeof fields.value === 'string' ? undefined : request.bodyText();
  const value = newValue(fields.value, text === undefined ? undefined : textAt(text, ['value']));
  return writeOf(checkedKey(request.path.key as string, limits), fields, value, conditionsOf(request.headers, fields), limits);
}

/** A deletion's fields may stand in the query or in a body. */
export function deleteOf(request: ApiRequest, limits: Limits): Write {
  const fields = { ...request.query, ...(request.body as object) } as WriteFields;
  return writeOf(checkedKey(request.path.key as string, limits), fields, undefined, conditionsOf(request.headers, fields), limits);
}

/** What is to be written of each item; a text where the item's key can't be one: the others may be done all the same. */
export function batchOf(request: ApiRequest, limits: Limits, deletes: boolean): (Write | { readonly key: string; readonly problem: string })[] {
  const { items, keys } = request.body as { items?: readonly BatchItem[]; keys?: readonly string[] };
  const list: readonly BatchItem[] = items ?? (keys ?? []).map((key) => ({ key }));
  const needsText = !deletes && list.some(({ value }) => typeof value !== 'string');
  const text = needsText ? request.bodyText() : undefined;
  const texts = text === undefined ? [] : textsOfItems(text, 'items', 'value');
  return list.map((item, index) => {
    const problem = keyProblem(item.key, limits.maxKeyBytes);
    if (problem !== undefined) return { key: item.key, problem };
    return writeOf(item.key, item, deletes ? undefined : newValue(item.value, texts[index]), conditionsOf({}, item), limits, `items.${index}.`);
  });
}
