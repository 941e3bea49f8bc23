import { expect } from 'chai';
import { loadEventSchemas } from '../../../src/http/index.ts';

const check = loadEventSchemas(new URL('../../../schema/events/', import.meta.url));

describe('what comes in rooms', () => {
  it('is checked for text that no database could hold', () => {
    expect(check('m.tween.miniapp.launch', { miniapp_id: 'ma_shop', launch_source: 'chat_bubble' })).to.deep.equal([]);
    for (const odd of ['a\0', 'a\ud800']) {
      expect(check('m.tween.miniapp.launch', { miniapp_id: 'ma_shop', launch_source: odd }).map(({ field }) => field)).to.deep.equal(['launch_source']);
      expect(check('m.tween.miniapp.launch', { miniapp_id: 'ma_shop', launch_params: { deep: [odd] } }).map(({ field }) => field)).to.deep.equal(['launch_params.deep.0']);
    }
  });
});
