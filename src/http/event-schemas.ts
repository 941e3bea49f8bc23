import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { FieldProblem } from '../kernel/errors.ts';
import { textProblem } from '../kernel/text.ts';
import { fieldProblems } from './contract.ts';

/** Checks the content of `m.tween.*` events against `schema/events/`; a type without a schema is a problem too. */
export function loadEventSchemas(directory: URL): (type: string, content: unknown) => FieldProblem[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  formats.default(ajv);
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.json'))) {
    ajv.addSchema(JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as object, file.slice(0, -'.json'.length));
  }
  return (type, content) => {
    const validate = ajv.getSchema(type);
    if (validate === undefined) return [{ field: 'type', problem: `there is no schema for ${type}` }];
    const unreadable = textProblem(content);
    if (unreadable !== undefined) return [unreadable];
    return validate(content) === true ? [] : fieldProblems(validate.errors);
  };
}
