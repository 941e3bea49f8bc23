import { createHmac, createPublicKey, type JsonWebKey } from 'node:crypto';
import { expect } from 'chai';
import { onEachDatabase } from './databases.ts';
import { alice, bob, call, createWorld, exchange, hour, me, type Instance, type World } from './support.ts';

type Json = Record<string, unknown>;
const decode = (segment: string): Json => JSON.parse(Buffer.from(segment, 'base64url').toString()) as Json;
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

interface Parts {
  readonly header: Json;
  readonly claims: Json;
  readonly signature: string;
}
const partsOf = (token: string): Parts => {
  const [prefix, header, claims, signature] = token.split('.');
  expect(prefix).to.equal('tep');
  return { header: decode(header!), claims: decode(claims!), signature: signature! };
};
const join = ({ header, claims, signature }: Parts): string => `tep.${encode(header)}.${encode(claims)}.${signature}`;

onEachDatabase('access tokens (decision D3)', (fresh) => {
  let world: World;
  let token: string;
  beforeEach(async () => {
    world = await createWorld(await fresh());
    token = String((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice', miniapp_context: '{"launch_source":"chat_bubble"}' })).body.access_token);
  });
  afterEach(() => world.close());

  const expectRefused = async (bad: string, instance: Instance = world.first): Promise<void> => {
    const { status, body } = await me(instance, bad);
    expect([status, body.code], bad.slice(0, 60)).to.deep.equal([401, 'INVALID_TOKEN']);
  };
  const kidsOf = async (instance: Instance) => ((await call(`${instance.url}/oauth2/jwks`)).body.keys as { kid: string }[]).map((key) => key.kid);

  it('carry every claim of section 4.10 that we hold, and scope in the header', () => {
    const { header, claims } = partsOf(token);
    expect(header).to.have.all.keys('alg', 'typ', 'kid', 'scope');
    expect(header).to.include({ alg: 'RS256', typ: 'JWT', scope: 'storage:read storage:write' });
    expect(claims).to.have.all.keys('iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'token_type', 'client_id', 'azp', 'scope', 'wallet_id', 'session_id', 'miniapp_context', 'mas_session', 'delegated_from', 'matrix_session_ref');
    expect(claims).to.deep.include({
      iss: world.issuer,
      sub: alice,
      aud: 'ma_game',
      token_type: 'tep_access_token',
      client_id: 'ma_game',
      azp: 'ma_game',
      scope: 'storage:read storage:write',
      miniapp_context: { launch_source: 'chat_bubble' },
      delegated_from: 'matrix_session',
      matrix_session_ref: { device_id: 'ALICEDEVICE' },
    });
    expect(Number(claims.exp) - Number(claims.iat)).to.equal(86_400);
    expect(claims.nbf).to.equal(claims.iat);
  });

  it('name a key that is published, as both addresses tell', async () => {
    for (const path of ['/.well-known/jwks.json', '/oauth2/jwks']) {
      const keys = (await call(world.first.url + path)).body.keys as JsonWebKey[];
      expect(keys.map((key) => key.kid)).to.include(partsOf(token).header.kid);
      expect(keys).to.have.length(2);
      for (const key of keys) {
        expect(key).to.have.all.keys('kty', 'n', 'e', 'kid', 'alg', 'use');
        expect(key).to.include({ kty: 'RSA', alg: 'RS256', use: 'sig' });
      }
    }
  });

  it('have ids that are never the same', async () => {
    const again = String((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_alice' })).body.access_token);
    expect(partsOf(again).claims.jti).not.to.equal(partsOf(token).claims.jti);
  });

  it('are refused with alg none, with and without a signature', async () => {
    const parts = partsOf(token);
    for (const alg of ['none', 'None', '']) {
      await expectRefused(join({ ...parts, header: { ...parts.header, alg }, signature: '' }));
      await expectRefused(join({ ...parts, header: { ...parts.header, alg } }));
    }
    await expectRefused(token.split('.').slice(0, 3).join('.'));
    await expectRefused(`${token.split('.').slice(0, 3).join('.')}.`);
  });

  it('are refused when the public key was used as an HMAC secret', async () => {
    const parts = partsOf(token);
    const jwks = (await call(`${world.first.url}/oauth2/jwks`)).body.keys as (JsonWebKey & { kid: string })[];
    const key = createPublicKey({ key: jwks.find((jwk) => jwk.kid === parts.header.kid)!, format: 'jwk' });
    for (const secret of [key.export({ format: 'pem', type: 'spki' }), key.export({ format: 'der', type: 'spki' })]) {
      const input = `${encode({ ...parts.header, alg: 'HS256' })}.${encode({ ...parts.claims, sub: bob })}`;
      await expectRefused(`tep.${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`);
    }
  });

  it('are refused with anything changed', async () => {
    const parts = partsOf(token);
    const changes: Json[] = [{ sub: bob }, { scope: 'storage:read wallet:pay' }, { aud: 'ma_other' }, { exp: Number(parts.claims.exp) + 1 }, { iss: 'https://elsewhere.example' }, { token_type: 'refresh' }, { session_id: 'ses_other' }];
    for (const change of changes) await expectRefused(join({ ...parts, claims: { ...parts.claims, ...change } }));
    for (const change of [{ kid: 'tmcp-unknown' }, { kid: undefined }, { typ: 'at+jwt' }, { alg: 'PS256' }, { alg: 'RS512' }, { crit: ['x'] }, { scope: 'wallet:pay' }]) await expectRefused(join({ ...parts, header: { ...parts.header, ...change } }));
  });

  it('are refused with a signature that is spelt in another way', async () => {
    const { signature } = partsOf(token);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(signature.at(-1)!);
    await expectRefused(token.slice(0, -1) + alphabet[last ^ 1]!);
    for (const tail of ['=', '.', '.x', 'A']) await expectRefused(token + tail);
  });

  it('are refused without their prefix, or with another', async () => {
    const bare = token.slice('tep.'.length);
    for (const bad of [bare, `TEP.${bare}`, `dev.${bare}`, `tep.${token}`]) await expectRefused(bad);
  });

  it('are refused when they are not tokens at all', async () => {
    for (const bad of ['', 'tep.', 'tep...', 'tep.e30.e30.e30', `tep.${'x'.repeat(12_000)}`, 'tep.bnVsbA.bnVsbA.bnVsbA', 'syt_alice']) await expectRefused(bad);
  });

  it('of an issuer with another address are refused, though key and session are the same', async () => {
    const options = { ...world.options, issuer: 'https://moved.example' };
    const moved = await world.startInstance({ options });
    const theirs = String((await exchange(moved, { client_id: 'ma_other', subject_token: 'syt_alice' })).body.access_token);
    expect((await me(moved, theirs)).status).to.equal(200);
    await expectRefused(theirs);
    await expectRefused(token, moved);
  });

  it('are refused when they are not what their session says', async () => {
    const { session_id: id } = partsOf(token).claims;
    const { sql } = world.first.database;
    for (const [column, value, mine] of [
      ['audience', 'ma_other', 'ma_game'],
      ['user_id', bob, alice],
      ['client_id', 'ma_other', 'ma_game'],
    ] as const) {
      await sql('tep_session').where({ id }).update({ [column]: value });
      world.clock.advance(1_000);
      await expectRefused(token);
      await sql('tep_session').where({ id }).update({ [column]: mine });
      world.clock.advance(1_000);
      expect((await me(world.first, token)).status).to.equal(200);
    }
  });

  it('are over when the session has lost one of their scopes', async () => {
    await world.first.database.sql('tep_session').where({ id: partsOf(token).claims.session_id }).update({ scopes: 'storage:read' });
    world.clock.advance(1_000);
    await expectRefused(token);
  });

  it('work on every instance', async () => {
    const other = await world.startInstance();
    expect((await me(other, token)).body.userId).to.equal(alice);
  });

  it('end when they say', async () => {
    const short = String((await exchange(world.first, { audience: 'tmcp_store', subject_token: 'syt_alice_2' })).body.access_token);
    await world.clock.still(async () => {
      world.clock.advance(Number(partsOf(short).claims.exp) * 1000 - world.clock.now() - 1);
      expect((await me(world.first, short)).status).to.equal(200);
      world.clock.advance(1);
      await expectRefused(short);
    });
    expect((await me(world.first, token)).status).to.equal(200);
    world.clock.advance(23 * hour);
    await expectRefused(token);
  });

  it('do not hold before they begin, were the clock to go back', async () => {
    world.clock.advance(-60_000);
    await expectRefused(token);
    world.clock.advance(60_000);
    expect((await me(world.first, token)).status).to.equal(200);
  });

  describe('when sessions are revoked', () => {
    const revoke = (which: Parameters<Instance['oauth']['revokeSessions']>[1]) => world.first.database.inTransaction((tx) => world.first.oauth.revokeSessions(tx, which));

    it('fail at once here, and within a second on other instances', async () => {
      const other = await world.startInstance();
      expect([(await me(world.first, token)).status, (await me(other, token)).status]).to.deep.equal([200, 200]);
      expect(await revoke({ userId: alice, miniappId: 'ma_game' })).to.equal(1);
      await expectRefused(token);
      world.clock.advance(1_000);
      await expectRefused(token, other);
    });

    it('live on when the transaction does not commit', async () => {
      const failed = world.first.database.inTransaction(async (tx) => {
        await world.first.oauth.revokeSessions(tx, { userId: alice, miniappId: 'ma_game' });
        throw new Error('rolled back');
      });
      expect(await failed.then(() => 'committed', String)).to.equal('Error: rolled back');
      expect((await me(world.first, token)).status).to.equal(200);
    });

    const cases: Record<string, [(ids: string[]) => Parameters<Instance['oauth']['revokeSessions']>[1], boolean[]]> = {
      'of a user and a mini-app': [() => ({ userId: alice, miniappId: 'ma_game' }), [false, true, true]],
      'of a user': [() => ({ userId: alice }), [false, false, true]],
      'of a mini-app': [() => ({ miniappId: 'ma_game' }), [false, true, false]],
      'of one session': [(ids) => ({ sessionId: ids[1]! }), [true, false, true]],
    };
    for (const [what, [which, expected]] of Object.entries(cases)) {
      it(`are those ${what}; others live on`, async () => {
        const tokens = [token];
        for (const [client_id, subject_token] of [
          ['ma_other', 'syt_alice'],
          ['ma_game', 'syt_bob'],
        ] as const) {
          tokens.push(String((await exchange(world.first, { client_id, subject_token })).body.access_token));
        }
        await revoke(which(tokens.map((one) => String(partsOf(one).claims.session_id))));
        const statuses = await Promise.all(tokens.map((one) => me(world.first, one)));
        expect(statuses.map((answer) => answer.status)).to.deep.equal(expected.map((alive) => (alive ? 200 : 401)));
      });
    }

    it('are never all of them by mistake', async () => {
      expect(await revoke({}).then(() => 'revoked', String)).to.equal('TypeError: which sessions?');
      expect((await me(world.first, token)).status).to.equal(200);
    });
  });

  describe('when keys rotate', () => {
    it('are signed with the key that was published before; the old ones hold until their last moment', async () => {
      const old = String(partsOf(token).header.kid);
      const next = (await kidsOf(world.first)).find((kid) => kid !== old)!;
      const other = await world.startInstance();
      expect(await world.first.oauth.rotateSigningKeys()).to.equal(next);
      expect(await kidsOf(world.first)).to.include.members([old, next]).and.have.length(3);

      const young = String((await exchange(world.first, { client_id: 'ma_game', subject_token: 'syt_bob' })).body.access_token);
      expect(partsOf(young).header.kid).to.equal(next);
      expect([(await me(other, young)).status, (await me(world.first, token)).status]).to.deep.equal([200, 200]);

      // An instance that heard nothing of it signs with the new key within a minute; what it signed until then holds its time.
      world.clock.advance(45_000);
      const late = String((await exchange(other, { client_id: 'ma_other', subject_token: 'syt_bob' })).body.access_token);
      expect(partsOf(late).header.kid).to.equal(old);
      world.clock.advance(15_000);
      expect(partsOf(String((await exchange(other, { client_id: 'ma_game', subject_token: 'syt_alice_2' })).body.access_token)).header.kid).to.equal(next);

      world.clock.advance(24 * hour - 30_000);
      expect((await me(world.first, late)).status).to.equal(200);
      world.clock.advance(45_000);
      await expectRefused(late);
      expect(await kidsOf(world.first)).not.to.include(old);
    });

    it('rotate by themselves when their time is over, once, and not before the next key was published for a while', async () => {
      const days = 24 * hour;
      const chore = (instance: Instance = world.first) => instance.database.inTransaction((tx) => instance.oauth.rotateDueKeys(tx, 90 * days));
      const kid = async () => String(partsOf(String((await exchange(world.first, { client_id: 'ma_other', subject_token: 'syt_bob' })).body.access_token)).header.kid);
      const first = await kid();
      world.clock.advance(90 * days - 60_000);
      expect(await chore()).to.equal(false);
      world.clock.advance(60_000);
      const rival = await world.startRival();
      expect((await Promise.all([chore(), chore(rival)])).sort()).to.deep.equal([false, true]);
      // The next key is made after the commit; a start makes it as well.
      await world.first.oauth.prepare();
      world.clock.advance(60_000);
      expect(await kid()).not.to.equal(first);
      expect(await kidsOf(world.first)).to.include(first).and.have.length(3);
      await world.first.database.sql('signing_key').where({ state: 'current' }).update({ current_since: 0 });
      expect(await chore()).to.equal(false);
      world.clock.advance(10 * 60_000);
      expect(await chore()).to.equal(true);
    });

    it('rotate to one current and one next key when two do it at the same moment', async () => {
      const other = await world.startRival();
      await Promise.all([world.first.oauth.rotateSigningKeys(), other.oauth.rotateSigningKeys()]);
      const rows = await world.first.database.sql<{ state: string }>('signing_key').pluck('state');
      expect(rows.filter((state) => state !== 'retired').sort()).to.deep.equal(['current', 'next']);
      // Each has the other's keys within a minute, were there two rotations.
      world.clock.advance(60_000);
      expect(await kidsOf(other)).to.have.members(await kidsOf(world.first));
    });

    it('are made once when many instances start at once on an empty database', async () => {
      await world.first.database.sql('signing_key').delete();
      const instances = await Promise.all(Array.from({ length: 3 }, () => world.startRival()));
      if (world.first.database.dialect === 'sqlite') await world.startInstance();
      expect((await world.first.database.sql<{ state: string }>('signing_key').pluck('state')).sort()).to.deep.equal(['current', 'next']);
      expect(instances).to.have.length(3);
    });
  });
});
