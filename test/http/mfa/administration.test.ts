import { expect } from 'chai';
import { asUserId } from '../../../src/kernel/ids.ts';
import { createJobQueue } from '../../../src/jobs/index.ts';
import { createRoomEvents } from '../../../src/matrix/index.ts';
import { createAuditRecorder } from '../../../src/security/audit/index.ts';
import { announceToUser, createMfaAdministration, type MfaAdministration } from '../../../src/mfa/index.ts';
import { loadEventSchemas } from '../../../src/http/index.ts';
import { onBothDatabases } from '../../support/databases.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';
import { newEcKey } from './device-key.ts';
import { minute, newUser, newUserWithPin, noticesTo, outcome, otherPin, pin, pinProof, tryPin } from './support.ts';

const checkContent = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));

onBothDatabases('an administrator, for a user who is locked out', (databases) => {
  let server: WholeServer;
  let administration: MfaAdministration;
  before(async () => {
    server = await startWholeServer(databases);
    const { database, clock } = server;
    const queue = createJobQueue(clock);
    administration = createMfaAdministration({ database, clock, announce: announceToUser({ events: createRoomEvents(queue), audit: createAuditRecorder({ clock, queue }) }), loweredLimitsMs: 1000 * minute });
  });
  after(() => server.close());

  it('lifts locks, which the user is told and the record keeps', async () => {
    const user = await newUserWithPin(server);
    for (let index = 0; index < 3; index += 1) await tryPin(user, '604713');
    expect((await tryPin(user, pin)).status).to.equal(429);
    expect(await administration.unlock(asUserId(user.userId), 'carol')).to.equal(true);
    expect(await administration.unlock(asUserId(user.userId), 'carol')).to.equal(false);
    const [notice] = (await noticesTo(server, user)).slice(-1);
    expect(notice!.content['m.tween.mfa']).to.include({ factor: 'lock', change: 'unlocked', allowed_by: 'administrator' });
    expect(checkContent('m.tween.mfa.notice', { ...notice!.content, delivery_id: 'job_x' })).to.deep.equal([]);
    const trail = await server.database.sql('audit_entry').where({ target: user.userId, action: 'factor.unlocked' }).select<{ actor_kind: string; actor: string }[]>('actor_kind', 'actor');
    expect(trail.map((entry) => ({ ...entry }))).to.deep.equal([{ actor_kind: 'administrator', actor: 'carol' }]);
    expect((await tryPin(user, pin)).status).to.equal(200);
  });

  it('removes every factor, after which a fresh sign-in enrols a first one', async () => {
    const user = await newUserWithPin(server);
    await user.post('/devices/register', { device_id: 'device_1', public_key: newEcKey().publicKey, auth_proof: pinProof(pin) });
    await user.post('/mfa/pin/reset', { pin: otherPin });
    expect(await administration.removeAll(asUserId(user.userId), 'carol')).to.equal(2);
    const { body } = await user.get('/mfa/methods');
    expect(body.methods).to.deep.equal([]);
    expect(body).to.have.property('limits_lowered_until').and.not.to.have.property('pin_reset');
    server.clock.advance(6 * minute);
    expect(outcome(await user.post('/mfa/pin', { pin }))).to.deep.equal([403, 'FRESH_SIGN_IN_REQUIRED']);
    expect((await (await user.again()).post('/mfa/pin', { pin })).status).to.equal(201);
    expect(await administration.removeAll(asUserId((await newUser(server)).userId), 'carol')).to.equal(0);
  });
});
