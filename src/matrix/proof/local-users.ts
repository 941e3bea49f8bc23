import { isUserId, localpartOf, serverNameOf, type UserId } from '../../kernel/ids.ts';
import { ProofRefused } from './proof.ts';

/** Our own virtual users act through the server, never through a token: decision D11's namespaces, on every server. */
const ownNamespace = /^(_tmcp|ma_)/;

/** The id as a user who may sign in here. Throws ProofRefused. */
export function acceptUser(userId: unknown, isAcceptedServer: (serverName: string) => boolean): UserId {
  if (!isUserId(userId)) throw new ProofRefused('subject_mismatch');
  if (!isAcceptedServer(serverNameOf(userId))) throw new ProofRefused('foreign_server');
  if (ownNamespace.test(localpartOf(userId))) throw new ProofRefused('own_namespace');
  return userId;
}
