import { measureGateway } from './gateway.ts';
import { measureInbox } from './inbox.ts';
import { measureOAuth } from './oauth.ts';
import { measureStart } from './start.ts';
import { measureStorage } from './storage.ts';
import { measureVerification } from './verification.ts';
import { report, type Measurement } from './support.ts';
import { measureWallet } from './wallet.ts';

const all: Readonly<Record<string, () => Promise<Measurement[]>>> = { start: measureStart, inbox: measureInbox, oauth: measureOAuth, verification: measureVerification, storage: measureStorage, wallet: measureWallet, gateway: measureGateway };

const chosen = process.argv.slice(2);
const measurements: Measurement[] = [];
for (const [name, measure] of Object.entries(all)) {
  if (chosen.length === 0 || chosen.includes(name)) measurements.push(...(await measure()));
}
process.exitCode = report(measurements) ? 0 : 1;
