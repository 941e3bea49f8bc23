import { AppError } from '../kernel/errors.ts';
import type { Console } from './console.ts';
import type { CodeRequest, DeveloperTokens } from './tokens.ts';

/** What the page on which developers sign in needs to know; `tokens` comes later, because the same server signs them. */
export function createDeveloperSignIn(console: Pick<Console, 'isTarget'>, tokens: () => Pick<DeveloperTokens, 'issueDeveloperCode'>) {
  return {
    isTarget: (clientId: string, redirectUri: string): boolean => console.isTarget(clientId, redirectUri),
    /** A code for the console to redeem; undefined for who is not on the whitelist. */
    async issueCode(request: CodeRequest): Promise<string | undefined> {
      try {
        return await tokens().issueDeveloperCode(request);
      } catch (error) {
        if (error instanceof AppError && error.code === 'developer_not_whitelisted') return undefined;
        throw error;
      }
    },
  };
}
