import { answer, type ApiAnswer } from '../http/index.ts';
import { isoTime } from '../kernel/clock.ts';
import { AppError } from '../kernel/errors.ts';
import { JsonText, writeJson } from '../kernel/json-text.ts';
import type { Usage } from './reads.ts';
import type { Answered, Entry, Limits, OpenEntry, Outcome, Standing } from './types.ts';

/** An answer whose values stand as they were sent. */
export const json = (body: object, headers: Readonly<Record<string, string>> = {}): ApiAnswer => answer(new JsonText(writeJson(body)), 200, headers);

/** RFC 9110 section 8.8.3: the revision is the tag. */
export const entityTag = (rev: number): string => `"${rev}"`;

const defaultContentType = 'application/json';

const metadata = (valueBytes: number, contentType: string | undefined): object => ({ size_bytes: valueBytes, content_type: contentType ?? defaultContentType });
const expiry = (expiresAt: number | undefined): object => (expiresAt === undefined ? {} : { expires_at: isoTime(expiresAt) });

/** A key without its value, as lists have it. */
export const entryBody = (entry: Entry): object => ({
  key: entry.key,
  rev: entry.rev,
  created_at: isoTime(entry.createdAt),
  updated_at: isoTime(entry.updatedAt),
  ...expiry(entry.expiresAt),
  metadata: metadata(entry.bytes - Buffer.byteLength(entry.key), entry.contentType),
});

const jsonOf = (json: string | undefined): JsonText | null => (json === undefined ? null : new JsonText(json));

/** Specification section 10.3.2, "Get Value": `entryBody` and the value, as text made at once, because a batch has a hundred of them. `more` are members that go in front. */
export function valueBody({ key, rev, createdAt, updatedAt, expiresAt, bytes, contentType, json }: OpenEntry, more = ''): JsonText {
  const expires = expiresAt === undefined ? '' : `"expires_at":"${isoTime(expiresAt)}",`;
  const type = JSON.stringify(contentType ?? defaultContentType);
  return new JsonText(`{${more}"key":${JSON.stringify(key)},"rev":${rev},"created_at":"${isoTime(createdAt)}","updated_at":"${isoTime(updatedAt)}",${expires}"metadata":{"size_bytes":${bytes - Buffer.byteLength(key)},"content_type":${type}},"value":${json ?? 'null'}}`);
}

export const changeBody = (entry: OpenEntry): object =>
  entry.deletedAt === undefined ? valueBody(entry, '"deleted":false,') : { key: entry.key, rev: entry.rev, deleted: true, updated_at: isoTime(entry.updatedAt) };

export const usageBody = ({ bytes, keys, rev }: Usage, limits: Limits): object => ({
  current_usage_bytes: bytes,
  quota_bytes: limits.maxBytes,
  available_bytes: Math.max(0, limits.maxBytes - bytes),
  current_keys: keys,
  max_keys: limits.maxKeys,
  max_key_bytes: limits.maxKeyBytes,
  max_value_bytes: limits.maxValueBytes,
  rev,
});

const standingBody = ({ rev, json, updatedAt }: Standing, name: 'value' | 'server_value'): object => ({
  rev,
  [name]: jsonOf(json),
  deleted: json === undefined,
  ...(updatedAt === undefined ? {} : { updated_at: isoTime(updatedAt) }),
});

/** The error that an outcome is, for one write; undefined when it is an answer. */
export function outcomeError(outcome: Outcome, limits: Limits): AppError | undefined {
  switch (outcome.kind) {
    case 'mismatch':
      return new AppError('PRECONDITION_FAILED', 'The entry is not as the request expects it', { details: { key: outcome.key, ...standingBody(outcome, 'value') } });
    case 'missing':
      return new AppError('NOT_FOUND', 'Nothing is stored under this key');
    case 'over_quota':
      return new AppError('STORAGE_QUOTA_EXCEEDED', 'Storage quota exceeded', { details: { current_usage_bytes: outcome.usedBytes, quota_bytes: limits.maxBytes, current_keys: outcome.usedKeys, max_keys: limits.maxKeys } });
    case 'reused_id':
      return new AppError('DUPLICATE_TRANSACTION', 'mutation_id: another write had this one', { details: [{ field: 'mutation_id', problem: 'another write had this one' }] });
    case 'aborted':
      return new AppError('BATCH_ABORTED', 'Nothing was done, because other items could not be');
    case 'written':
    case 'deleted':
    case 'conflict':
      return undefined;
  }
}

/** A value that no quota would take. */
export const tooLarge = (bytes: number, limits: Limits): AppError =>
  new AppError('STORAGE_QUOTA_EXCEEDED', `value: is larger than ${limits.maxValueBytes} bytes`, { details: { field: 'value', value_bytes: bytes, max_value_bytes: limits.maxValueBytes, quota_bytes: limits.maxBytes } });

/** The answer to a write that is no error; the conflict is the specification's (section 10.3.5) with decision D9's `applied` and `rev`. */
export function outcomeBody(outcome: Extract<Outcome, { kind: 'written' | 'deleted' | 'conflict' }>): object {
  const { key, rev } = outcome;
  switch (outcome.kind) {
    case 'written':
      return {
        key,
        success: true,
        applied: true,
        conflict_detected: false,
        rev,
        created_at: isoTime(outcome.createdAt),
        updated_at: isoTime(outcome.updatedAt),
        ...expiry(outcome.expiresAt),
        metadata: metadata(outcome.valueBytes, outcome.contentType),
      };
    case 'deleted':
      return { key, success: true, applied: true, conflict_detected: false, rev, deleted: true };
    case 'conflict':
      return { key, success: true, applied: false, conflict_detected: true, resolution: 'server_wins', ...standingBody(outcome, 'server_value') };
  }
}

/** One item of a batch's answer: what a request of its own would have been answered, with its status. */
export function itemBody(outcome: Answered, limits: Limits): object {
  const error = outcomeError(outcome, limits);
  if (error !== undefined) return errorItem(outcome.key, error);
  return { status: 200, ...outcomeBody(outcome as Extract<Outcome, { kind: 'written' | 'deleted' | 'conflict' }>), ...(outcome.replayed ? { replayed: true } : {}) };
}

export const errorItem = (key: string, error: AppError): object => ({
  key,
  status: error.status,
  success: false,
  applied: false,
  error: { code: error.code, message: error.message, ...(error.details === undefined ? {} : { details: error.details }) },
});
