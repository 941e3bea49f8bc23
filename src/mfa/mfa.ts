import type { Database } from '../database/index.ts';
import type { JobKind, JobQueue } from '../jobs/index.ts';
import type { Clock } from '../kernel/clock.ts';
import type { RoomEvents } from '../matrix/port.ts';
import type { KeyRing } from '../security/key-ring.ts';
import { createAttempts } from './attempts.ts';
import { createChangeLog } from './change-log.ts';
import { createChanges } from './changes.ts';
import { createDevices, createDeviceSignatures, type Devices } from './devices.ts';
import { createMethods, type Methods } from './methods.ts';
import { createPinChanges, resetJobKind, type PinChanges } from './pin-changes.ts';
import { createPins } from './pins.ts';
import { createProver } from './prover.ts';
import { createTotpChanges, type TotpChanges } from './totp-changes.ts';
import { createTotps } from './totps.ts';
import type { AttemptPolicy } from './types.ts';

/** Times in milliseconds; what they are is said in `schema/config.json`. */
export interface MfaOptions {
  readonly minPinLength: number;
  readonly attempts: AttemptPolicy;
  readonly freshSignInMs: number;
  readonly loweredLimitsMs: number;
  readonly pinResetMs: number;
  readonly issuerName: string;
}

export interface MfaDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly queue: JobQueue;
  readonly events: RoomEvents;
  readonly options: MfaOptions;
}

/** Second factors: what users enrol, what they prove with it, and what happens when they can't. */
export interface Mfa extends Methods {
  readonly pins: PinChanges;
  readonly totps: TotpChanges;
  readonly devices: Devices;
  readonly jobs: Readonly<Record<string, JobKind>>;
}

export function createMfa(deps: MfaDependencies): Mfa {
  const { database, options } = deps;
  const attempts = createAttempts({ ...deps, policy: options.attempts });
  const pins = createPins({ ...deps, minLength: options.minPinLength });
  const log = createChangeLog({ ...deps, loweredLimitsMs: options.loweredLimitsMs });
  const totps = createTotps({ ...deps, log, issuerName: options.issuerName });
  const prover = createProver({ database, attempts, pins, totps, devices: createDeviceSignatures(deps) });
  const changes = createChanges({ ...deps, prover, log, freshSignInMs: options.freshSignInMs });
  const pinChanges = createPinChanges({ ...deps, changes, pins, resetMs: options.pinResetMs });
  return {
    ...createMethods({ ...deps, attempts }),
    pins: pinChanges,
    totps: createTotpChanges({ database, changes, totps }),
    devices: createDevices({ ...deps, changes }),
    jobs: { [resetJobKind]: pinChanges.resetJob },
  };
}
