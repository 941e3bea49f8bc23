import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** What the files of one test homeserver are made from. */
export interface SynapseFiles {
  directory: string;
  serverName: string;
  port: number;
  sharedSecret: string;
  logFile: string;
  /** More configuration of Synapse's own, over what stands here. */
  more: object;
}

const UNLIMITED = { per_second: 100_000, burst_count: 100_000 };

const RATE_LIMITS = {
  rc_message: UNLIMITED,
  rc_registration: UNLIMITED,
  rc_registration_token_validity: UNLIMITED,
  rc_login: { address: UNLIMITED, account: UNLIMITED, failed_attempts: UNLIMITED },
  rc_admin_redaction: UNLIMITED,
  rc_joins: { local: UNLIMITED, remote: UNLIMITED },
  rc_joins_per_room: UNLIMITED,
  rc_3pid_validation: UNLIMITED,
  rc_invites: { per_room: UNLIMITED, per_user: UNLIMITED, per_issuer: UNLIMITED },
  rc_third_party_invite: UNLIMITED,
  rc_media_create: UNLIMITED,
  rc_presence: { per_user: UNLIMITED },
  rc_delayed_event_mgmt: UNLIMITED,
  rc_room_creation: UNLIMITED,
  rc_reports: UNLIMITED,
  rc_user_directory: UNLIMITED,
};

/** Writes what a homeserver keeps for its life: keys, log configuration, directories. */
export async function writeLastingFiles(files: SynapseFiles): Promise<void> {
  await mkdir(join(files.directory, 'media'), { recursive: true });
  const seed = randomBytes(32).toString('base64').replace(/=+$/, '');
  await writeFile(join(files.directory, 'signing.key'), `ed25519 a_test ${seed}\n`, { mode: 0o600 });
  await writeFile(join(files.directory, 'log.yaml'), stringify(logConfig(files)));
}

/** Writes the main configuration and one file per registration; returns the path of the main one. */
export async function writeConfig(files: SynapseFiles, registrations: Map<string, string>): Promise<string> {
  const registrationFiles: string[] = [];
  for (const yaml of registrations.values()) {
    const path = join(files.directory, `registration-${registrationFiles.length}.yaml`);
    await writeFile(path, yaml, { mode: 0o600 });
    registrationFiles.push(path);
  }
  const path = join(files.directory, 'homeserver.yaml');
  await writeFile(path, stringify(homeserverConfig(files, registrationFiles)), { mode: 0o600 });
  return path;
}

/**
 * Nothing experimental is switched on: ephemeral events need only `receive_ephemeral` in the registration, device
 * management by the appservice only its `io.element.msc4190`, and `/ping` is in the specification.
 */
function homeserverConfig(files: SynapseFiles, registrationFiles: string[]): object {
  return {
    server_name: files.serverName,
    public_baseurl: `http://127.0.0.1:${files.port}/`,
    listeners: [
      {
        type: 'http',
        port: files.port,
        bind_addresses: ['127.0.0.1'],
        tls: false,
        resources: [{ names: ['client', 'federation', 'openid'], compress: false }],
      },
    ],
    database: { name: 'sqlite3', args: { database: join(files.directory, 'homeserver.db') } },
    signing_key_path: join(files.directory, 'signing.key'),
    log_config: join(files.directory, 'log.yaml'),
    pid_file: join(files.directory, 'homeserver.pid'),
    media_store_path: join(files.directory, 'media'),
    app_service_config_files: registrationFiles,
    registration_shared_secret: files.sharedSecret,
    macaroon_secret_key: files.sharedSecret,
    form_secret: files.sharedSecret,
    bcrypt_rounds: 4,
    password_config: { enabled: true },
    enable_registration: false,
    presence: { enabled: true },
    report_stats: false,
    url_preview_enabled: false,
    trusted_key_servers: [],
    suppress_key_server_warning: true,
    federation_domain_whitelist: [],
    ...RATE_LIMITS,
    ...files.more,
  };
}

function logConfig(files: SynapseFiles): object {
  return {
    version: 1,
    disable_existing_loggers: false,
    formatters: { line: { format: '%(asctime)s %(levelname)s %(name)s %(request)s %(message)s' } },
    handlers: { file: { class: 'logging.FileHandler', filename: files.logFile, mode: 'a', formatter: 'line' } },
    root: { level: 'WARNING', handlers: ['file'] },
  };
}
