import { requireOrSkip } from './availability.ts';
import { signInUser, type MatrixUser } from './matrix-user.ts';
import { prepareServer, registrationFor, type ServerOptions, type ServerProcess } from './server-process.ts';
import { startSynapse, SYNAPSE_HOOK_TIMEOUT_MS, synapseAvailable, type Synapse } from './synapse.ts';
import { freePort } from './temporary.ts';

export const BOT = '@_tmcp:hs.test';

/** A real homeserver, our server as its application service, and people. */
export interface Neighbourhood {
  readonly synapse: Synapse;
  readonly server: ServerProcess;
  /** Signs a person in; they are signed out with the neighbourhood. */
  person(localpart: string): Promise<MatrixUser>;
  /** A room of this person's with our bot in it. */
  roomWithBot(owner: MatrixUser, options?: Parameters<MatrixUser['createRoom']>[0]): Promise<string>;
  close(): Promise<void>;
}

/** To be called in a `before` hook, which it gives the time that it may need. */
export async function startNeighbourhood(context: Mocha.Context, options: Omit<ServerOptions, 'synapse'> = {}): Promise<Neighbourhood> {
  context.timeout(SYNAPSE_HOOK_TIMEOUT_MS);
  requireOrSkip(context, await synapseAvailable());
  const port = await freePort();
  const synapse = await startSynapse({ registrations: [{ yaml: registrationFor(port) }] });
  const server = await prepareServer({ ...options, synapse, port });
  await server.start();
  const people: MatrixUser[] = [];
  return {
    synapse,
    server,
    async person(localpart) {
      const user = await signInUser(synapse, localpart);
      people.push(user);
      return user;
    },
    async roomWithBot(owner, roomOptions = {}) {
      const roomId = await owner.createRoom({ ...roomOptions, invite: [...(roomOptions.invite ?? []), BOT] });
      await owner.waitForEvent((event) => event.roomId === roomId && event.type === 'm.room.member' && event.stateKey === BOT && event.content.membership === 'join', { description: 'the bot joins' });
      return roomId;
    },
    async close() {
      for (const user of people) user.stop();
      await server.stop();
      await synapse.stop();
    },
  };
}
