/** How a gift is split: evenly, or at random by one of two algorithms (specification section 7.5.5, decision D10). */
export type Distribution = 'equal' | 'even_chance' | 'specification';

/** Uniform in 0 … n - 1. */
export type Random = (n: number) => number;

/** Largest remainder: no two shares differ by more than one minor unit. */
function equally(total: number, count: number): number[] {
  const base = Math.floor(total / count);
  const more = total - base * count;
  return Array.from({ length: count }, (_, n) => base + (n < more ? 1 : 0));
}

/** A whole number from `from` to `to`, both included. */
const between = (from: number, to: number, random: Random): number => from + random(Math.max(0, to - from) + 1);

/**
 * Each share is 10 % to 190 % of what remains per head, so that on average nobody has an advantage by opening early or late; the
 * last takes the rest. Enough is always left to give everybody one minor unit.
 */
function byEvenChance(total: number, count: number, random: Random): number[] {
  const shares: number[] = [];
  let rest = total;
  for (let heads = count; heads > 1; heads -= 1) {
    const average = rest / heads;
    const least = Math.max(1, Math.ceil(average * 0.1));
    const most = Math.max(least, Math.min(Math.floor(average * 1.9), rest - (heads - 1)));
    const share = between(least, most, random);
    shares.push(share);
    rest -= share;
  }
  return [...shares, rest];
}

/** Each but one is 10 % to 30 % of the average, and one gets the rest, about four fifths of it all; shuffled. */
function bySpecification(total: number, count: number, random: Random): number[] {
  const average = total / count;
  const least = Math.max(1, Math.ceil(average * 0.1));
  const most = Math.max(least, Math.floor(average * 0.3));
  const shares = Array.from({ length: count - 1 }, () => between(least, most, random));
  return shuffled([...shares, total - shares.reduce((sum, share) => sum + share, 0)], random);
}

function shuffled(values: readonly number[], random: Random): number[] {
  const all = [...values];
  for (let n = all.length - 1; n > 0; n -= 1) {
    const other = random(n + 1);
    [all[n], all[other]] = [all[other]!, all[n]!];
  }
  return all;
}

/** Splits minor units into `count` shares of at least one each, whose sum is the total. Throws a RangeError when there are not enough. */
export function split(distribution: Distribution, total: number, count: number, random: Random): number[] {
  if (count < 1 || total < count) throw new RangeError(`${total} cannot be split into ${count}`);
  switch (distribution) {
    case 'equal':
      return equally(total, count);
    case 'even_chance':
      return byEvenChance(total, count, random);
    case 'specification':
      return bySpecification(total, count, random);
  }
}
