import type { FieldProblem } from './errors.ts';

/** Whether every place that text goes to can hold it: PostgreSQL has no NUL, and neither UTF-8 nor a Matrix event half a surrogate pair. */
export const isText = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** So deep nothing of ours is nested; and what goes through a value in depth must not run out of stack. */
const maxDepth = 64;

interface Place {
  readonly value: unknown;
  readonly path: string;
  readonly depth: number;
}

/**
 * Texts in a value, names of members too, that are no text as `isText` has it, and what is nested too deeply; named as paths.
 * Members with a name in `opaque` are let alone with all that they hold. The first problem alone: whoever sends such a thing knows.
 */
export function textProblem(root: unknown, opaque: readonly string[] = []): FieldProblem | undefined {
  const places: Place[] = [{ value: root, path: '', depth: 0 }];
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { value, path, depth } = place;
    const field = path || 'body';
    if (typeof value === 'string' && !isText(value)) return { field, problem: 'has characters that no text can hold (NUL, or half a surrogate pair)' };
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= maxDepth) return { field, problem: 'is nested too deeply' };
    for (const [key, inner] of Object.entries(value)) {
      if (!isText(key)) return { field, problem: 'has a member whose name no text can hold' };
      if (!opaque.includes(key)) places.push({ value: inner, path: path === '' ? key : `${path}.${key}`, depth: depth + 1 });
    }
  }
  return undefined;
}
