interface Place<T> {
  readonly words: Map<string, Place<T>>;
  parameter: Place<T> | undefined;
  readonly methods: Map<string, { readonly value: T; readonly names: readonly string[] }>;
}

interface Match<T> {
  readonly place: Place<T>;
  /** Of the parameters, as they stand in the path. */
  readonly texts: readonly string[];
}

const newPlace = <T>(): Place<T> => ({ words: new Map(), parameter: undefined, methods: new Map() });

function childOf<T>(place: Place<T>, word: string): Place<T> {
  const child = place.words.get(word) ?? newPlace<T>();
  place.words.set(word, child);
  return child;
}

/** Every place that fits, those that are written out before those with parameters. */
function collect<T>(place: Place<T>, segments: readonly string[], at: number, texts: readonly string[], found: Match<T>[]): void {
  const segment = segments[at];
  if (segment === undefined) {
    if (place.methods.size > 0) found.push({ place, texts });
    return;
  }
  const word = place.words.get(segment);
  if (word !== undefined) collect(word, segments, at + 1, texts, found);
  if (place.parameter !== undefined && segment !== '') collect(place.parameter, segments, at + 1, [...texts, segment], found);
}

/**
 * What is served by method and path, found with one look at each segment of the path: express tries the pattern of one route after
 * another, and there are more than a hundred. Letters are told apart, and so is a path with a slash at its end. Routers that are
 * libraries read a path otherwise than what stands in front of this server: find-my-way decodes it before it looks, rou3 takes a
 * slash at its end for none.
 */
export class PathTable<T> {
  readonly #root = newPlace<T>();

  /** `path` is written as in OpenAPI: `/a/{b}`, each parameter a segment of its own. */
  add(method: string, path: string, value: T): void {
    let place = this.#root;
    const names: string[] = [];
    for (const segment of path.split('/')) {
      const [, name] = /^\{(\w+)\}$/.exec(segment) ?? [];
      if (name === undefined) place = childOf(place, segment);
      else {
        names.push(name);
        place = place.parameter ??= newPlace<T>();
      }
    }
    place.methods.set(method.toUpperCase(), { value, names });
  }

  /** `GET` answers `HEAD` too. Throws a URIError for a parameter that is not well encoded. */
  find(method: string, path: string): { readonly value: T; readonly parameters: Readonly<Record<string, string>> } | undefined {
    const asked = method === 'HEAD' ? 'GET' : method;
    for (const { place, texts } of this.#at(path)) {
      const entry = place.methods.get(asked);
      if (entry !== undefined) return { value: entry.value, parameters: Object.fromEntries(entry.names.map((name, n) => [name, decodeURIComponent(texts[n]!)])) };
    }
    return undefined;
  }

  /** The methods of a path; undefined for one that nothing is at. */
  methodsAt(path: string): readonly string[] | undefined {
    const [first] = this.#at(path);
    return first === undefined ? undefined : [...first.place.methods.keys()];
  }

  #at(path: string): Match<T>[] {
    const found: Match<T>[] = [];
    collect(this.#root, path.split('/'), 0, [], found);
    return found;
  }
}
