export type Platform = 'ios' | 'android' | 'web' | 'desktop';
export type CapabilityName = 'camera' | 'location' | 'payment' | 'storage' | 'messaging' | 'biometric';

/** What this deployment offers, whoever asks. */
export interface Offer {
  readonly disabled: readonly string[];
  /** Whether the server has an endpoint. */
  readonly serves: (path: string) => boolean;
  readonly storageQuotaBytes: number;
  /** Largest single payment of the highest verification level, in whole units. */
  readonly maxPayment: number;
}

export interface Asking {
  readonly scopes: ReadonlySet<string>;
  readonly platform: Platform;
}

export type Capability = Readonly<Record<string, unknown>> & { readonly available: boolean };

interface Definition {
  /** One of these opens it; none: no scope is asked. */
  readonly scopes: readonly string[];
  /** What there is on a platform; undefined where there is nothing. */
  readonly on: (platform: Platform) => Readonly<Record<string, unknown>> | undefined;
  /** Endpoint without which there is nothing to use. */
  readonly endpoint?: string;
  readonly details?: (offer: Offer) => Readonly<Record<string, unknown>>;
}

const everywhere = (): Readonly<Record<string, unknown>> => ({});
const isPhone = (platform: Platform): boolean => platform === 'ios' || platform === 'android';

/** Specification section 10.5.3. What a device has is its platform's; what the server does, its own to say. */
const definitions: Readonly<Record<CapabilityName, Definition>> = {
  camera: { scopes: [], on: (platform) => (platform === 'desktop' ? undefined : { requires_permission: true, supported_modes: isPhone(platform) ? ['photo', 'qr_scan', 'video'] : ['photo', 'qr_scan'] }) },
  location: { scopes: [], on: (platform) => (platform === 'desktop' ? undefined : { requires_permission: true, accuracy: isPhone(platform) ? 'high' : 'coarse' }) },
  payment: { scopes: ['wallet:pay'], on: everywhere, endpoint: '/api/v1/payments/request', details: ({ maxPayment }) => ({ providers: ['wallet'], max_amount: maxPayment }) },
  storage: { scopes: ['storage:write', 'storage:read'], on: everywhere, endpoint: '/api/v1/storage/{key}', details: ({ storageQuotaBytes }) => ({ quota_bytes: storageQuotaBytes, persistent: true }) },
  messaging: { scopes: ['messaging:send'], on: everywhere, endpoint: '/api/v1/rooms/{room_id}/cards', details: () => ({ rich_cards: true, file_upload: false }) },
  biometric: { scopes: [], on: (platform) => ({ types: isPhone(platform) ? ['fingerprint', 'face', 'pin'] : ['pin'] }) },
};

export const capabilityNames = Object.keys(definitions) as CapabilityName[];
export const isCapabilityName = (name: string): name is CapabilityName => Object.hasOwn(definitions, name);

/** Whether and how much of it there is for who asks, and why not. */
export function capabilityFor(name: CapabilityName, { scopes, platform }: Asking, offer: Offer): Capability {
  const { scopes: opening, on, endpoint, details } = definitions[name];
  if (offer.disabled.includes(name)) return { available: false, reason: 'disabled' };
  if (endpoint !== undefined && !offer.serves(endpoint)) return { available: false, reason: 'not_offered' };
  const there = on(platform);
  if (there === undefined) return { available: false, reason: 'platform' };
  if (opening.length > 0 && !opening.some((scope) => scopes.has(scope))) return { available: false, reason: 'missing_scope', required_scopes: [opening[0]] };
  return { available: true, ...there, ...details?.(offer) };
}

/** What the platform does between its users and apps, whoever asks. */
export const featuresOf = ({ serves, disabled }: Offer): Readonly<Record<string, boolean>> => ({
  group_gifts: serves('/wallet/v1/gift/create'),
  p2p_transfers: serves('/wallet/v1/p2p/initiate'),
  miniapp_payments: serves('/api/v1/payments/request') && !disabled.includes('payment'),
});
