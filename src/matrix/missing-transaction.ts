/**
 * Synapse numbers its transactions and sends them in order. At the end of a recovery it can forget one: what happens between its
 * look for unsent transactions and its note that the service is up again is stored and not sent, until the next recovery, which
 * sends the oldest first. So a number that is skipped after a recovery is a reason to ask for one, by refusing what follows.
 * Numbers are skipped for good reasons too (other services share the sequence on PostgreSQL), so it is done once for each
 * recovery that this process knows of: its own start, and each transaction that it failed to take.
 */
export class MissingTransaction {
  #last: number | undefined;
  #suspected = true;

  /** Whether a transaction is to be refused because one before it seems to be missing. */
  refuses(txnId: string): boolean {
    const number = numberOf(txnId);
    if (!this.#suspected || number === undefined || this.#last === undefined || number <= this.#last + 1) return false;
    this.#suspected = false;
    return true;
  }

  taken(txnId: string): void {
    this.#last = numberOf(txnId);
  }

  failed(): void {
    this.#suspected = true;
  }
}

const numberOf = (txnId: string): number | undefined => (/^\d{1,15}$/.test(txnId) ? Number(txnId) : undefined);
