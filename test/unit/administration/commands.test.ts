import { expect } from 'chai';
import { readCommand } from '../../../src/administration/commands.ts';

describe('commands of administrators', () => {
  it('are read as they are meant', () => {
    expect(readCommand('')).to.deep.equal({ name: 'help' });
    expect(readCommand('status')).to.deep.equal({ name: 'status' });
    expect(readCommand('approve ma_shop')).to.deep.equal({ name: 'approve', miniappId: 'ma_shop', reason: undefined });
    expect(readCommand('reject  ma_shop   no privacy\npolicy ')).to.deep.equal({ name: 'reject', miniappId: 'ma_shop', reason: 'no privacy policy' });
    expect(readCommand('suspend ma_shop fraud')).to.deep.equal({ name: 'suspend', miniappId: 'ma_shop', reason: 'fraud' });
  });

  it('are not guessed at', () => {
    for (const text of ['approve', 'reject ma_shop', 'suspend ma_shop   ', 'retire ma_shop', 'APPROVE ma_shop', 'constructor', `approve ma_shop ${'x'.repeat(501)}`]) expect(readCommand(text).name, text).to.equal('unclear');
  });
});
