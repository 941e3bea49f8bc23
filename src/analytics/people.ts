/** A number of people, or null: some, but so few that it would tell of each of them (decision D18). */
export type Shown = number | null;

/** What of a number of people is shown. */
export const shownOf = (people: number, fewest: number): Shown => (people === 0 || people >= fewest ? people : null);

/** Something that is counted along with people, such as their sessions: it is as telling as they are few. */
export interface Counted {
  readonly people: number;
  readonly amount: number;
}

export interface Total {
  readonly people: number;
  readonly amount: number;
  /** Whom the amount is of, exactly: for averages. */
  readonly of: number;
}

/**
 * The total of several numbers. Those that are hidden are added in whole groups only, so that nobody is left over when what is
 * shown is taken from it; what goes along with them is added when there is such a group.
 */
export function totalOf(all: readonly Counted[], fewest: number): Total {
  const sum = (some: readonly Counted[]): Counted => some.reduce((so, { people, amount }) => ({ people: so.people + people, amount: so.amount + amount }), { people: 0, amount: 0 });
  const shown = sum(all.filter(({ people }) => shownOf(people, fewest) !== null));
  const hidden = sum(all.filter(({ people }) => shownOf(people, fewest) === null));
  const groups = Math.floor(hidden.people / fewest) * fewest;
  return groups === 0 ? { ...shown, of: shown.people } : { people: shown.people + groups, amount: shown.amount + hidden.amount, of: shown.people + hidden.people };
}
