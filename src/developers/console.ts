import { AppError } from '../kernel/errors.ts';
import { equalSecrets } from '../kernel/ids.ts';

/** The developer console: no mini-app, but the platform's own client, configured at deployment (section 4.4.9). */
export interface ConsoleOptions {
  readonly clientIds: readonly string[];
  /** Undefined: the console is a public client. */
  readonly clientSecret: string | undefined;
  readonly redirectUris: readonly string[];
}

export interface Console {
  /** Names the console and, where it has a secret, proves it. @throws AppError forbidden_platform_endpoint for a mini-app's client, else invalid_client */
  authenticate(clientId: string, secret: string | undefined): Promise<void>;
  /** Where codes may be sent: compared exactly. */
  isTarget(clientId: string, redirectUri: string): boolean;
}

export function createConsole(options: ConsoleOptions, isMiniAppClient: (clientId: string) => Promise<boolean>): Console {
  const { clientIds, clientSecret, redirectUris } = options;
  const isSecretRight = (secret: string | undefined): boolean => (clientSecret === undefined || secret === undefined ? clientSecret === secret : equalSecrets(secret, clientSecret));
  return {
    async authenticate(clientId, secret) {
      if (clientIds.includes(clientId)) {
        if (!isSecretRight(secret)) throw new AppError('invalid_client', 'Client authentication failed');
        return;
      }
      if (await isMiniAppClient(clientId)) throw new AppError('forbidden_platform_endpoint', 'This endpoint is only accessible by platform services. Mini-apps do not have required privileges.');
      throw new AppError('invalid_client', 'Client authentication failed');
    },
    isTarget: (clientId, redirectUri) => clientIds.includes(clientId) && redirectUris.includes(redirectUri),
  };
}
