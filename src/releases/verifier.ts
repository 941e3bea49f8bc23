import { createHash, type KeyObject } from 'node:crypto';
import { openEnvelope, releaseType, Untrusted, type ReleaseStatement } from './statement.ts';

// The reference for clients, in the order in which they must do it (specification section 16.8.1, decision D16).

/** What a client was offered. */
export interface Offer {
  readonly miniappId: string;
  /** `download.signature` */
  readonly signature: string;
  readonly bytes: Uint8Array;
}

/** What the client has and is. */
export interface Holder {
  /** By key id; from the client's own build, or from a bootstrap that such a key has signed. */
  readonly trusted: ReadonlyMap<string, KeyObject>;
  /** The highest version code that it has ever installed of the app; 0 for none. */
  readonly installedCode: number;
  readonly platform: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** How far a client's clock may be behind ours. */
const clockSkewMs = 5 * 60_000;

/**
 * The statement of a release that may be installed. @throws Untrusted for a signature that no trusted key made, another app, too
 * early or too late, not for this platform, not newer than what is there, and for bytes that are not the signed ones
 */
export function verifyRelease(offer: Offer, holder: Holder): ReleaseStatement {
  const statement = openEnvelope(offer.signature, releaseType, holder.trusted) as ReleaseStatement;
  if (statement.miniapp_id !== offer.miniappId) throw new Untrusted('it was signed for another mini-app');
  if (!(Date.parse(statement.issued_at) <= holder.now + clockSkewMs)) throw new Untrusted('it is signed for later');
  if (!(holder.now < Date.parse(statement.expires_at))) throw new Untrusted('the signature has expired');
  if (statement.platforms.length > 0 && !statement.platforms.includes(holder.platform)) throw new Untrusted('it is not for this platform');
  if (!(statement.version_code > holder.installedCode)) throw new Untrusted('it is not newer than what is installed');
  if (statement.size_bytes !== offer.bytes.byteLength) throw new Untrusted('the bundle has another size than was signed');
  if (createHash('sha256').update(offer.bytes).digest('hex') !== statement.sha256) throw new Untrusted('the bundle is not the one that was signed');
  return statement;
}
