import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import { AppError, invalidField } from '../kernel/errors.ts';
import { newSecret, sha256Hex, type UserId } from '../kernel/ids.ts';
import { bytesOf, challengeOf, descriptorsOf, loadWebauthn, newCeremony, type CeremonyOptions, type PasskeysDependencies } from './ceremonies.ts';
import { answerCeremony, findCeremony, findPasskey, insertCeremony, raiseCounter, spendCeremony, type Ceremony } from './passkey-repo.ts';
import type { Spend } from './pins.ts';

/** WebAuthn (decision D6): counts as biometric. A challenge is the SHA-256 of what is proven and 256 random bits, and counts once. */
export interface Passkeys {
  /** Asks for an assertion that is bound to a text of `boundTexts()`. Throws DEVICE_NOT_REGISTERED without a passkey. */
  ask(userId: UserId, boundTo: string): Promise<CeremonyOptions>;
  /** An assertion over one of these texts: how to spend it, or undefined when it is wrong. */
  judge(userId: UserId, boundTexts: readonly string[], response: unknown): Promise<{ readonly spend: Spend; readonly deviceId: string } | undefined>;
  /** Takes an assertion whatever it is bound to, for a proof that counts once within the life of the challenge; undefined when it is wrong. */
  answer(userId: UserId, response: unknown): Promise<{ readonly proof: string; readonly expiresAt: number; readonly save: Spend } | undefined>;
  /** Such a proof, over one of these texts. */
  judgeProof(userId: UserId, boundTexts: readonly string[], proof: string): Promise<{ readonly spend: Spend } | undefined>;
}

const usedAlready = (): AppError => new AppError('INVALID_SIGNATURE', 'This assertion was used already');

type Asserted = { readonly ceremony: Ceremony; readonly credentialId: string; readonly raise: Spend };

export function createPasskeys(deps: PasskeysDependencies): Passkeys {
  const { database, clock, rpId } = deps;
  const expectedOrigin = [...deps.origins];
  const assertion = async (userId: UserId, response: unknown, isExpected: (boundTo: string) => boolean): Promise<Asserted | undefined> => {
    const challenge = challengeOf(response);
    const given = response as AuthenticationResponseJSON;
    if (challenge === undefined || typeof given.id !== 'string') return undefined;
    const ceremony = await findCeremony(database, userId, 'authenticate', { challenge, proof_hash: null }, clock.now());
    const passkey = await findPasskey(database, userId, given.id);
    if (ceremony === undefined || passkey === undefined || !isExpected(ceremony.boundTo)) return undefined;
    const credential = { id: passkey.credentialId, publicKey: bytesOf(passkey.publicKey), counter: passkey.counter };
    const { verifyAuthenticationResponse } = await loadWebauthn();
    // The library throws for most of what is wrong; nothing of it is ours to tell.
    const result = await verifyAuthenticationResponse({ response: given, expectedChallenge: challenge, expectedOrigin, expectedRPID: rpId, credential, requireUserVerification: true }).catch(() => undefined);
    if (result?.verified !== true) return undefined;
    const { newCounter } = result.authenticationInfo;
    return {
      ceremony,
      credentialId: passkey.credentialId,
      async raise(tx) {
        if (!(await raiseCounter(tx, userId, passkey.credentialId, newCounter))) throw usedAlready();
      },
    };
  };

  return {
    async ask(userId, boundTo) {
      const allowCredentials = await descriptorsOf(database, userId);
      if (allowCredentials.length === 0) throw new AppError('DEVICE_NOT_REGISTERED', 'This user has no passkey');
      const ceremony = newCeremony(deps, 'authenticate', boundTo);
      const { generateAuthenticationOptions } = await loadWebauthn();
      const options = await generateAuthenticationOptions({ rpID: rpId, challenge: bytesOf(ceremony.challenge), timeout: deps.ceremonyMs, allowCredentials, userVerification: 'required' });
      await insertCeremony(database, userId, ceremony);
      return { options, expiresAt: ceremony.expiresAt };
    },
    async judge(userId, boundTexts, response) {
      const asserted = await assertion(userId, response, (boundTo) => boundTexts.includes(boundTo));
      if (asserted === undefined) return undefined;
      return {
        deviceId: asserted.credentialId,
        async spend(tx) {
          if (!(await spendCeremony(tx, asserted.ceremony.challenge, null))) throw usedAlready();
          await asserted.raise(tx);
        },
      };
    },
    async answer(userId, response) {
      const asserted = await assertion(userId, response, () => true);
      if (asserted === undefined) return undefined;
      const proof = newSecret('wap_');
      return {
        proof,
        expiresAt: asserted.ceremony.expiresAt,
        async save(tx) {
          if (!(await answerCeremony(tx, asserted.ceremony.challenge, sha256Hex(proof)))) throw usedAlready();
          await asserted.raise(tx);
        },
      };
    },
    async judgeProof(userId, boundTexts, proof) {
      const proofHash = sha256Hex(proof);
      const ceremony = await findCeremony(database, userId, 'authenticate', { proof_hash: proofHash }, clock.now());
      if (ceremony === undefined || !boundTexts.includes(ceremony.boundTo)) return undefined;
      return {
        async spend(tx) {
          if (!(await spendCeremony(tx, ceremony.challenge, proofHash))) throw usedAlready();
        },
      };
    },
  };
}

/** Body of `authenticate/options`, when it is not for a challenge. */
export interface GivenBinding {
  readonly terms?: { readonly id: string; readonly amount: string | number; readonly currency: string; readonly recipient: string };
  readonly action?: string;
  readonly subject?: string;
}

const amountForm = /^\d{1,16}(\.\d{1,4})?$/;

/**
 * What the client says that it will prove. It need not be believed: the proof counts only where the stored terms give the same
 * text. Throws INVALID_REQUEST.
 */
export function readBinding({ terms, action, subject }: GivenBinding): string {
  if (terms !== undefined) {
    const amount = String(terms.amount);
    if (!amountForm.test(amount)) throw invalidField('terms.amount', 'must be an amount such as 5000 or 5000.00');
    return `${terms.id}:${amount}:${terms.currency}:${terms.recipient}`;
  }
  if (action === undefined || subject === undefined) throw invalidField('body', 'needs challenge_id, or terms, or action and subject');
  return `${action}:${subject}`;
}
