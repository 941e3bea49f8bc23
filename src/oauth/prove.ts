import { errorText } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { ProofNotAllowed, ProofRefused, ProofUnavailable, type ProofRequest, type ProvenUser, type UserProof } from '../matrix/proof/index.ts';
import { matrixTokenRefused, OAuthError, proofUnavailable } from './oauth-error.ts';

/** Proves the user, with refusals as OAuth errors: the caller learns that a token was refused, our log learns why. */
export async function proveUser(proof: UserProof, log: Log, request: ProofRequest): Promise<ProvenUser> {
  try {
    return await proof.prove(request);
  } catch (error) {
    if (error instanceof ProofNotAllowed) throw new OAuthError(400, 'unauthorized_client', 'This client may not use Matrix OpenID tokens');
    if (error instanceof ProofRefused) {
      log.info({ reason: error.reason, presented_by: request.presentedBy }, 'Matrix token refused');
      throw matrixTokenRefused();
    }
    if (error instanceof ProofUnavailable) {
      log.warn({ error: errorText(error), cause: errorText(error.cause) }, 'Matrix token could not be checked');
      throw proofUnavailable();
    }
    throw error;
  }
}
