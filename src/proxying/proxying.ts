import type { Transaction } from '../database/index.ts';
import type { JobKind } from '../jobs/index.ts';
import type { Routes } from '../http/index.ts';
import { createSpeech, type Homeserver, type OwnNames, type RoomFacts } from '../matrix/index.ts';
import type { Rooms } from '../matrix/port.ts';
import { HttpConnections } from '../security/http-request.ts';
import { createMatrixGrants, revokingKind, type MatrixGrants, type MatrixGrantsDependencies } from './grants.ts';
import { createMessages } from './messages.ts';
import { proxyingRoutes } from './routes.ts';

export interface ProxyingDependencies extends Omit<MatrixGrantsDependencies, 'service'> {
  readonly homeserver: Homeserver;
  readonly homeserverUrl: string;
  readonly names: OwnNames;
  readonly rooms: Rooms;
  readonly facts: RoomFacts;
  /** Undefined where users leave no Matrix tokens with us (`mas.act_for_users`). */
  readonly service: MatrixGrantsDependencies['service'] | undefined;
}

export interface Proxying {
  readonly grants: MatrixGrants | undefined;
  readonly routes: Routes;
  readonly jobs: Readonly<Record<string, JobKind>>;
  /** A chore. */
  tidyUp(tx: Transaction, now: number): Promise<void>;
  /** Ends what users left with us for acting for them: one mini-app's, or all of a user's. Returns whether there was anything. */
  end(tx: Transaction, which: { readonly userId: string; readonly miniappId?: string }): Promise<boolean>;
  close(): Promise<void>;
}

/** Matrix calls on a user's behalf (specification section 4.16, decision D22). */
export function createProxying(deps: ProxyingDependencies): Proxying {
  const { service, names } = deps;
  const connections = new HttpConnections();
  const speech = createSpeech({ ...deps, connections });
  const grants = service === undefined ? undefined : createMatrixGrants({ ...deps, service });
  return {
    grants,
    routes: proxyingRoutes({ messages: createMessages({ ...deps, speech, grants }), speech, names }),
    jobs: grants === undefined ? {} : { [revokingKind]: grants.revoking },
    tidyUp: async (tx, now) => grants?.tidyUp(tx, now),
    end: async (tx, which) => (await grants?.end(tx, which)) ?? false,
    close: () => connections.close(),
  };
}
