import type { FieldProblem } from '../kernel/errors.ts';

/** PostgreSQL has no text with it, so neither has any of ours, whatever the database. */
const nul = '\u0000';

function* fieldsWithNul(value: unknown, field: string): Generator<string> {
  if (typeof value === 'string') {
    if (value.includes(nul)) yield field;
  } else if (Array.isArray(value)) {
    for (const [index, one] of value.entries()) yield* fieldsWithNul(one, `${field}.${index}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, one] of Object.entries(value)) {
      const inner = field === '' ? name : `${field}.${name}`;
      if (name.includes(nul)) yield field === '' ? 'a name' : `a name in ${field}`;
      else yield* fieldsWithNul(one, inner);
    }
  }
}

/** Which fields hold the character U+0000, that no database of ours can store as text. */
export const nulProblems = (values: unknown): FieldProblem[] => [...fieldsWithNul(values, '')].map((field) => ({ field, problem: 'must not contain U+0000' }));
