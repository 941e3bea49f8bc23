/** When a payment needs a proof besides its signature (issue "wallet policy decides"; configuration `mfa.require_…`). */
export interface MfaPolicy {
  /** By currency, as a decimal: amounts over it. */
  readonly requireOver: ReadonlyMap<string, string>;
  readonly requireForNewDevice: boolean;
  readonly newDeviceMs: number;
  readonly requireForFirstPayment: boolean;
}

export type MfaReason = 'amount' | 'new_device' | 'first_payment';

/** What the policy looks at. Times in milliseconds. */
export interface PaymentFacts {
  readonly amountMinor: number | bigint;
  readonly currency: string;
  readonly exponent: number;
  readonly isFirstToPayee: boolean;
  /** When the device that signed was registered; undefined when none did. */
  readonly deviceSince: number | undefined;
  /** Whether the user has a factor that is not that device. */
  readonly hasOtherFactor: boolean;
  readonly now: number;
}

/** A decimal in minor units, rounded down: what is over it is over the decimal too. */
export function minorOf(decimal: string, exponent: number): bigint {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return BigInt(`${whole}${fraction.slice(0, exponent).padEnd(exponent, '0')}`);
}

/** `USD:500` and the like, as the configuration has them. */
export const readThresholds = (list: readonly string[]): ReadonlyMap<string, string> =>
  new Map(
    list.map((item) => {
      const [currency = '', amount = ''] = item.split(':');
      return [currency, amount] as const;
    }),
  );

/**
 * Why this payment needs a second proof; empty when it does not. A new device is a reason only for who has another factor to
 * answer with: the lowered limits after its registration cover the others.
 */
export function reasonsFor(policy: MfaPolicy, facts: PaymentFacts): MfaReason[] {
  const over = policy.requireOver.get(facts.currency);
  const isNew = facts.deviceSince !== undefined && facts.now - facts.deviceSince < policy.newDeviceMs;
  return [
    ...(over !== undefined && BigInt(facts.amountMinor) > minorOf(over, facts.exponent) ? (['amount'] as const) : []),
    ...(policy.requireForNewDevice && isNew && facts.hasOtherFactor ? (['new_device'] as const) : []),
    ...(policy.requireForFirstPayment && facts.isFirstToPayee ? (['first_payment'] as const) : []),
  ];
}
