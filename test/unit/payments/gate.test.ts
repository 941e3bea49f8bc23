import { expect } from 'chai';
import { asMiniAppId, asUserId } from '../../../src/kernel/ids.ts';
import { requireConcerned, requireMaySpend, type PaymentCaller, type PayerSession } from '../../../src/payments/gate.ts';
import type { Payment } from '../../../src/payments/types.ts';

const session = (fields: Partial<PayerSession>): PayerSession => ({ kind: 'session', userId: asUserId('@alice:example.org'), clientId: 'ma_shop', audience: 'ma_shop', provenBy: 'whoami', origin: 'token_exchange', ...fields });
const outcome = (work: () => unknown): Promise<string> => Promise.resolve().then(work).then(() => 'allowed', (error: { code: string }) => error.code);

describe('the money gate (decision D20)', () => {
  const cases: readonly (readonly [string, Partial<PayerSession>, string])[] = [
    ['the host client', { audience: 'tmcp_wallet', clientId: 'tmcp_wallet' }, 'allowed'],
    ['the host client for transfers', { audience: 'tmcp_p2p', clientId: 'tmcp_p2p' }, 'allowed'],
    ['the store', { audience: 'tmcp_store', clientId: 'tmcp_store', origin: 'device_code' }, 'INSUFFICIENT_PERMISSIONS'],
    ['the paying app, by the user’s Matrix access token', {}, 'allowed'],
    ['the same under delegated authentication', { provenBy: 'mas' }, 'allowed'],
    ['an OpenID token', { provenBy: 'openid' }, 'INSUFFICIENT_PERMISSIONS'],
    ['an authorization code', { origin: 'authorization_code', provenBy: 'sign_in' }, 'INSUFFICIENT_PERMISSIONS'],
    ['a device code', { origin: 'device_code', provenBy: 'sign_in' }, 'INSUFFICIENT_PERMISSIONS'],
    ['a client secret', { clientId: 'ma_shop_backend' }, 'INSUFFICIENT_PERMISSIONS'],
  ];
  for (const [what, fields, expected] of cases) {
    it(`${expected === 'allowed' ? 'opens to' : 'stays closed to'} a session of ${what}`, async () => {
      expect(await outcome(() => requireMaySpend(session(fields), (clientId) => Promise.resolve(clientId.endsWith('_backend'))))).to.equal(expected);
    });
  }
});

describe('whom a payment concerns (decision D21)', () => {
  const payment = { payer: asUserId('@alice:example.org'), miniappId: asMiniAppId('ma_shop') } as Payment;
  const cases: readonly (readonly [string, PaymentCaller, boolean])[] = [
    ['its payer through the app', session({}), true],
    ['its payer through the host client', session({ audience: 'tmcp_wallet' }), true],
    ['its payer through another app', session({ audience: 'ma_other' }), false],
    ['its payer through the store', session({ audience: 'tmcp_store' }), false],
    ['another user of the app', session({ userId: asUserId('@bob:example.org') }), false],
    ['its merchant', { kind: 'client', miniappId: asMiniAppId('ma_shop') }, true],
    ['another merchant', { kind: 'client', miniappId: asMiniAppId('ma_other') }, false],
  ];
  for (const [who, caller, expected] of cases) {
    it(`${expected ? 'is' : 'is not'} ${who}`, async () => {
      expect(await outcome(() => requireConcerned(payment, caller))).to.equal(expected ? 'allowed' : 'PAYMENT_NOT_FOUND');
    });
  }
});
