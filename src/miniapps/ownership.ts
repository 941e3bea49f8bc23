import type { Queryable, Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';

/** Whose a mini-app is: one developer's or an organisation's. One without an owner is the administrators'. */
export type Owner = { readonly userId: UserId } | { readonly orgId: string };

/** What developers may do with mini-apps; answered from roles as they are now (decision D23). */
export interface Ownership {
  /** @throws AppError NOT_FOUND unless the developer belongs to the organisation, INSUFFICIENT_PERMISSIONS unless their role allows it */
  requireMayRegister(tx: Transaction, developer: UserId, orgId: string): Promise<void>;
  /** Whether the developer may know how it stands with what this owner has. */
  mayRead(db: Queryable, developer: UserId, owner: Owner): Promise<boolean>;
  /** Whether the developer may change what this owner has. */
  mayManage(db: Queryable, developer: UserId, owner: Owner): Promise<boolean>;
  organizationExists(db: Queryable, orgId: string): Promise<boolean>;
  /** For people who are to know whom they deal with: a developer's Matrix id, or the name of the organisation. */
  nameOf(db: Queryable, owner: Owner): Promise<string | undefined>;
  /** Who, of this owner, may use the mini-app before it is approved. */
  usersOf(db: Queryable, owner: Owner): Promise<readonly string[]>;
}
