import { expect } from 'chai';
import { decideAccess, type Authenticators } from '../../../src/http/access.ts';
import type { Operation, Scheme } from '../../../src/http/contract.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import { asMiniAppId } from '../../../src/kernel/ids.ts';

describe('a token that a client got for itself', () => {
  const refuse = (): Promise<never> => Promise.reject(new AppError('INVALID_TOKEN', 'not good'));
  const authenticators: Authenticators = {
    accessToken: (token) => (token === 'tep.own' ? Promise.resolve({ kind: 'client', clientId: 'ma_shop_backend', miniappId: asMiniAppId('ma_shop'), scopes: new Set<string>(), privileged: false }) : refuse()),
    adminToken: refuse,
    matrixToken: refuse,
    clientSecret: refuse,
    developerToken: refuse,
    platformSecret: refuse,
  };
  const outcome = (schemes: readonly Scheme[], token = 'tep.own'): Promise<string> =>
    decideAccess({ access: schemes.map((scheme) => ({ scheme, scopes: [] })), audiences: undefined } as unknown as Operation, `Bearer ${token}`, authenticators).then(
      ({ kind }) => kind,
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );

  it('counts where its secret does', async () => expect(await outcome(['client'])).to.equal('client'));
  it('counts for nothing where users are meant', async () => expect(await outcome(['tep'])).to.equal('INVALID_TOKEN'));
  it('is told at an endpoint of the platform that it does not suffice', async () => expect(await outcome(['developer', 'admin'])).to.equal('forbidden_platform_endpoint'));
  it('is not told that when it is not good', async () => expect(await outcome(['developer', 'admin'], 'tep.stale')).to.equal('INVALID_TOKEN'));
});
