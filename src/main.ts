import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isLoopbackHost, loadConfig, loadRegistration, type Config, type Registration } from './config/index.ts';
import { buildApp, type App } from './app.ts';
import { createListener } from './http/index.ts';
import { systemClock } from './kernel/clock.ts';
import { usesSandboxProvider } from './outside.ts';
import { BridgeHomeserver } from './matrix/index.ts';
import { createLog, metricsServer, openTracing } from './operations/index.ts';
import { closeServer, listen, listenerOptions, openStore, stopOnSignal, surviveStrays } from './process.ts';

export const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };

export function openHomeserver(config: Config, registration: Registration): BridgeHomeserver {
  return new BridgeHomeserver({
    homeserverUrl: config.homeserver.url,
    domain: config.homeserver.domain,
    registration: { id: registration.id, url: registration.url ?? '', as_token: registration.asToken, hs_token: registration.hsToken, sender_localpart: registration.senderLocalpart },
    requestTimeoutMs: config.homeserver.request_timeout_ms,
  });
}

/** What is said once the server is ready: where it is, and what is missing. */
function readyLine(config: Config, port: number, app: App): string {
  const host = config.server.host.includes(':') ? `[${config.server.host}]` : config.server.host;
  const state = app.homeserverState();
  const missing =
    state === 'connected'
      ? `homeserver ${config.homeserver.url} connected`
      : state === 'one_way'
        ? `homeserver ${config.homeserver.url} answers but does not reach this server or does not know it: run "tmcp doctor"`
        : `homeserver ${config.homeserver.url} is not reachable: Matrix events are queued until it is`;
  const address = `http://${host}:${port}`;
  return `ready: ${address === config.server.public_url ? address : `${address} as ${config.server.public_url}`}; ${missing}`;
}

/** Starts the whole server: configuration, database, parts, listeners. Throws ConfigError and the like before anything listens. */
export async function start(configFile: string | undefined): Promise<void> {
  const config = loadConfig({ file: configFile });
  const registration = loadRegistration(config.homeserver.registration);
  const log = createLog(config.log);
  surviveStrays(log);

  const { database, keyRing, close: closeStore } = await openStore(config);
  const homeserver = openHomeserver(config, registration);
  const tracing = await openTracing({ url: config.tracing.otlp_url, authorization: config.tracing.otlp_authorization, samplePercent: config.tracing.sample_percent, version });
  const app = buildApp({ config, registration, database, clock: systemClock, log, keyRing, homeserver, version, tracer: tracing.tracer });

  const server = createListener(app.http, listenerOptions(config));
  const metrics = config.metrics.enabled ? metricsServer(app.metrics.registry) : undefined;
  const running = (async () => {
    await app.prepare();
    const port = await listen(server, config.server.port, config.server.host);
    if (metrics !== undefined) await listen(metrics, config.metrics.port, config.metrics.host);
    await app.start();
    return port;
  })();

  stopOnSignal(log, async () => {
    // Half a start can't be stopped; what made it fail ends the process by itself.
    await running;
    const graceMs = config.server.shutdown_grace_seconds * 1000;
    app.release();
    await closeServer(server, graceMs);
    // What is still running then is not lost: its job is tried again by the next process.
    await Promise.race([app.stop(), delay(graceMs)]);
    metrics?.close();
    await tracing.close();
    await homeserver.close();
    await closeStore();
  });
  const port = await running;
  if (!isLoopbackHost(config.server.host) && config.server.public_url.startsWith('http://')) log.warn({}, 'public_url is not https');
  if (usesSandboxProvider(config) && config.external.provider === 'sandbox') log.warn({}, 'external.provider is sandbox: whoever has a wallet can put play money into it, which it spends like any other');
  log.info({}, readyLine(config, port, app));
}
