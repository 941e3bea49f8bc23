import { isoTime } from '../kernel/clock.ts';
import type { OutboundEvent, Place } from '../matrix/port.ts';
import type { MiniApp } from './types.ts';

/** `m.tween.miniapp.app` (decision D11): the public state of a mini-app, as room state with its id as the state key. */
export function appStateEvent(app: MiniApp, place: Place): OutboundEvent {
  return {
    place,
    speaker: 'bot',
    type: 'm.tween.miniapp.app',
    stateKey: app.miniappId,
    optional: 'room' in place,
    content: {
      miniapp_id: app.miniappId,
      name: app.name,
      classification: app.classification,
      category: app.category,
      version: app.version,
      version_code: app.versionCode,
      ...(app.bundleSha256 === undefined ? {} : { hash: `sha256:${app.bundleSha256}` }),
      status: app.status,
      entry_point: app.entryPoint,
      ...(app.iconUrl === undefined ? {} : { icon_url: app.iconUrl }),
      updated_at: isoTime(app.updatedAt),
    },
  };
}
