import { compile, type JSONSchema } from 'json-schema-to-typescript';

const banner = '/** Contents of Matrix events, made from schema/events/ by `npm run generate`: do not edit. */';

/** One interface for each schema, named by its title. */
export async function renderEventTypes(sources: readonly string[]): Promise<string> {
  const rendered = await Promise.all(
    sources.map(async (source) => {
      const schema = JSON.parse(source) as JSONSchema & { title: string };
      return compile(schema, schema.title, { bannerComment: '', additionalProperties: true, style: { singleQuote: true, printWidth: 120 } });
    }),
  );
  return `${banner}\n\n${rendered.join('\n')}`;
}
