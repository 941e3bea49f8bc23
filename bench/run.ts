import { measureAnnouncement } from './announcement.ts';
import { measureGateway } from './gateway.ts';
import { measureInbox } from './inbox.ts';
import { measureOAuth } from './oauth.ts';
import { measurePayments } from './payments.ts';
import { measureStart } from './start.ts';
import { measureStorage, measureStoragePostgres } from './storage.ts';
import { measureStore } from './store.ts';
import { measureVerification } from './verification.ts';
import { report, type Measurement } from './support.ts';
import { measureWallet } from './wallet.ts';

const all: Readonly<Record<string, () => Promise<Measurement[]>>> = { start: measureStart, inbox: measureInbox, oauth: measureOAuth, verification: measureVerification, storage: measureStorage, storage_postgres: measureStoragePostgres, store: measureStore, wallet: measureWallet, payments: measurePayments, gateway: measureGateway, announcement: measureAnnouncement };

/** For information: not part of the table. */
const onlyByName = ['storage_postgres'];

const chosen = process.argv.slice(2);
const measurements: Measurement[] = [];
for (const [name, measure] of Object.entries(all)) {
  if ((chosen.length === 0 && !onlyByName.includes(name)) || chosen.includes(name)) measurements.push(...(await measure()));
}
process.exitCode = report(measurements) ? 0 : 1;
