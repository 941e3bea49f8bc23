import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import type { Transaction } from '../database/index.ts';
import { AppError } from '../kernel/errors.ts';
import type { UserId } from '../kernel/ids.ts';
import { bytesOf, challengeOf, descriptorsOf, loadWebauthn, newCeremony, type CeremonyOptions, type PasskeysDependencies } from './ceremonies.ts';
import { findCeremony, insertCeremony, spendCeremony, type Passkey } from './passkey-repo.ts';
import type { Spend } from './pins.ts';

/** New passkeys (WebAuthn section 7.1); the authenticator must have verified the user. */
export interface PasskeyRegistrations {
  /** What a passkey can be made with; `save` keeps the challenge, in the transaction that spends the permission. */
  draft(userId: UserId): Promise<CeremonyOptions & { save(tx: Transaction, allowedBy: string): Promise<void> }>;
  /** Throws INVALID_MFA_CREDENTIALS for an answer that is none to an open challenge of this user. */
  judge(userId: UserId, response: unknown, name: string): Promise<{ readonly passkey: Passkey; readonly allowedBy: string; readonly spend: Spend }>;
}

const notOurs = (): AppError => new AppError('INVALID_MFA_CREDENTIALS', 'Not the answer of an authenticator to an open challenge of this user');

/** COSE: ES256, RS256, EdDSA. The library's own list has an experimental one, of which the runtime warns. */
const supportedAlgorithmIDs = [-7, -257, -8];

export function createPasskeyRegistrations(deps: PasskeysDependencies): PasskeyRegistrations {
  const { database, clock, keyRing, rpId, rpName } = deps;
  return {
    async draft(userId) {
      const ceremony = newCeremony(deps, 'register', `mfa.webauthn.register:${userId}`);
      const { generateRegistrationOptions } = await loadWebauthn();
      const options = await generateRegistrationOptions({
        rpName,
        rpID: rpId,
        userName: userId,
        userDisplayName: userId,
        userID: bytesOf(keyRing.mac('webauthn-user', userId)),
        challenge: bytesOf(ceremony.challenge),
        timeout: deps.ceremonyMs,
        attestationType: 'none',
        supportedAlgorithmIDs,
        excludeCredentials: await descriptorsOf(database, userId),
        authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      });
      return { options, expiresAt: ceremony.expiresAt, save: (tx, allowedBy) => insertCeremony(tx, userId, { ...ceremony, allowedBy }) };
    },
    async judge(userId, response, name) {
      const challenge = challengeOf(response);
      const ceremony = challenge === undefined ? undefined : await findCeremony(database, userId, 'register', { challenge, proof_hash: null }, clock.now());
      const allowedBy = ceremony?.allowedBy;
      if (ceremony === undefined || allowedBy === undefined) throw notOurs();
      const { verifyRegistrationResponse } = await loadWebauthn();
      const result = await verifyRegistrationResponse({ response: response as RegistrationResponseJSON, expectedChallenge: ceremony.challenge, expectedOrigin: [...deps.origins], expectedRPID: rpId, requireUserVerification: true, supportedAlgorithmIDs }).catch(() => undefined);
      if (result?.verified !== true) throw notOurs();
      const { id, publicKey, counter, transports } = result.registrationInfo.credential;
      return {
        passkey: { credentialId: id, name, publicKey: Buffer.from(publicKey).toString('base64url'), counter, transports: (transports ?? []).slice(0, 10), registeredAt: clock.now() },
        allowedBy,
        async spend(tx) {
          if (!(await spendCeremony(tx, ceremony.challenge, null))) throw notOurs();
        },
      };
    },
  };
}
