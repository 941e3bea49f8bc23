import { runSql, type Queryable, type Transaction } from '../database/index.ts';
import type { UserId } from '../kernel/ids.ts';
import type { SignatureAlgorithm } from './device-keys.ts';

export interface Device {
  readonly deviceId: string;
  readonly name: string;
  readonly platform: string | undefined;
  readonly algorithm: SignatureAlgorithm;
  readonly publicKey: string;
  readonly keyHash: string;
  readonly capabilities: readonly string[];
  readonly registeredAt: number;
}

interface DeviceRow {
  device_id: string;
  name: string;
  platform: string | null;
  algorithm: SignatureAlgorithm;
  public_key: string;
  key_hash: string;
  capabilities: string;
  registered_at: number;
}

const fromRow = (row: DeviceRow): Device => ({
  deviceId: row.device_id,
  name: row.name,
  platform: row.platform ?? undefined,
  algorithm: row.algorithm,
  publicKey: row.public_key,
  keyHash: row.key_hash,
  capabilities: JSON.parse(row.capabilities) as string[],
  registeredAt: row.registered_at,
});

export async function listDevices(db: Queryable, userId: UserId): Promise<Device[]> {
  return (await db.sql('mfa_device').where({ user_id: userId }).orderBy(['registered_at', 'device_id']).select<DeviceRow[]>('*')).map(fromRow);
}

export async function findDevice(db: Queryable, userId: UserId, deviceId: string): Promise<Device | undefined> {
  const [row] = await runSql<DeviceRow>(db, 'SELECT * FROM mfa_device WHERE user_id = ? AND device_id = ?', [userId, deviceId]);
  return row === undefined ? undefined : fromRow(row);
}

/** Registers a device, or gives a registered one another key. */
export async function saveDevice(tx: Transaction, userId: UserId, device: Device): Promise<void> {
  const row = {
    user_id: userId,
    device_id: device.deviceId,
    name: device.name,
    platform: device.platform ?? null,
    algorithm: device.algorithm,
    public_key: device.publicKey,
    key_hash: device.keyHash,
    capabilities: JSON.stringify(device.capabilities),
    registered_at: device.registeredAt,
  };
  await tx.sql('mfa_device').insert(row).onConflict(['user_id', 'device_id']).merge(row);
}

export async function deleteDevice(tx: Transaction, userId: UserId, deviceId: string): Promise<boolean> {
  return (await tx.sql('mfa_device').where({ user_id: userId, device_id: deviceId }).delete()) === 1;
}

/** Whether the device still has this key; on PostgreSQL it keeps it until the transaction ends. */
export async function holdDevice(tx: Transaction, userId: UserId, deviceId: string, keyHash: string): Promise<boolean> {
  const rows = await runSql(tx, `SELECT device_id FROM mfa_device WHERE user_id = ? AND device_id = ? AND key_hash = ? ${tx.dialect === 'postgres' ? 'FOR SHARE' : ''}`, [userId, deviceId, keyHash]);
  return rows.length === 1;
}

/** False when it was spent before. */
export async function spendSignature(tx: Transaction, hash: string, expiresAt: number): Promise<boolean> {
  return (await runSql(tx, 'INSERT INTO mfa_spent_signature (hash, expires_at) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING RETURNING hash', [hash, expiresAt])).length === 1;
}
