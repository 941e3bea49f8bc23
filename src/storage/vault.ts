import { AppError, errorText } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { KeyRingError, type KeyRing } from '../security/key-ring.ts';
import type { Owner, SealedValue } from './types.ts';

/** Seals under keys of each user's own; what is sealed opens only for the same user, mini-app and key (specification section 10.3.8). */
export interface Vault {
  seal(owner: Owner, key: string, text: string): SealedValue;
  /** @throws AppError SERVICE_UNAVAILABLE when the ring lacks the key, or the row is not what was sealed */
  open(owner: Owner, key: string, value: SealedValue): string;
  /** The same for the answers that are kept for replays. */
  sealAnswer(owner: Owner, mutationId: string, text: string): SealedValue;
  openAnswer(owner: Owner, mutationId: string, answer: SealedValue): string;
  /** A keyed hash, by which a repeated write is told from another one. */
  fingerprint(text: string): string;
}

const purposes = { value: 'storage', answer: 'storage-answer' } as const;

export function createVault(keyRing: KeyRing, log: Log): Vault {
  const place = ({ userId, namespace }: Owner, name: string): string => JSON.stringify([userId, namespace, name]);
  const seal = (purpose: string, owner: Owner, name: string, text: string): SealedValue => keyRing.sealFor(purpose, owner.userId, Buffer.from(text), place(owner, name));
  const open = (purpose: string, owner: Owner, name: string, { keyId, sealed }: SealedValue): string => {
    try {
      return keyRing.openFor(purpose, owner.userId, keyId, sealed, place(owner, name)).toString('utf8');
    } catch (error) {
      if (!(error instanceof KeyRingError)) throw error;
      log.error({ key_id: keyId, namespace: owner.namespace, error: errorText(error) }, 'a stored value can not be opened');
      throw new AppError('SERVICE_UNAVAILABLE', 'What is stored here can not be decrypted: the server lacks its key, or it was damaged. Its administrators find more in the log.', { cause: error });
    }
  };
  return {
    seal: (owner, key, text) => seal(purposes.value, owner, key, text),
    open: (owner, key, value) => open(purposes.value, owner, key, value),
    sealAnswer: (owner, mutationId, text) => seal(purposes.answer, owner, mutationId, text),
    openAnswer: (owner, mutationId, answer) => open(purposes.answer, owner, mutationId, answer),
    fingerprint: (text) => keyRing.mac('storage-mutation', text),
  };
}
