/** A number as JSON text, which `JSON.stringify` writes as it is: Node's `JSON.rawJSON`, which TypeScript does not know yet. */
export interface JsonNumber {
  readonly rawJSON: string;
}
interface SourceJson {
  rawJSON(text: string): JsonNumber;
  isRawJSON(value: unknown): value is JsonNumber;
  parse(text: string, reviver: (this: object, key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
}
const sourceJson = JSON as unknown as SourceJson;

export const isJsonNumber = (value: unknown): value is JsonNumber => sourceJson.isRawJSON(value);

/** `text` must be a JSON number. Its digits are sent as they are, whatever a double would make of them. */
export const jsonNumber = (text: string): JsonNumber => sourceJson.rawJSON(text);

/**
 * The numbers directly in a JSON object as they are written there: `0.1` and `0.10000000000000000001` are the same double and
 * different amounts. Empty for anything but an object. Throws a SyntaxError for what is no JSON.
 */
export function numberTexts(json: string): ReadonlyMap<string, string> {
  const byObject = new WeakMap<object, Map<string, string>>();
  const root = sourceJson.parse(json, function (key, value, { source }) {
    if (typeof value === 'number' && source !== undefined) {
      const known = byObject.get(this) ?? new Map<string, string>();
      byObject.set(this, known.set(key, source));
    }
    return value;
  });
  return (typeof root === 'object' && root !== null && !Array.isArray(root) ? byObject.get(root) : undefined) ?? new Map<string, string>();
}

/** JSON with the keys of every object in order: the same for two texts that say the same. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
}
