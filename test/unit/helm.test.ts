import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { loadConfig } from '../../src/config/index.ts';
import { settings } from '../../src/config/schema.ts';
import { loadContract } from '../../src/http/index.ts';
import { requireOrSkip } from '../support/availability.ts';
import { helmAvailable, renderChart, type KubernetesObject, type Rendered } from '../support/helm.ts';
import { PYTHON_HOOK_TIMEOUT_MS } from '../support/python.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const chart = new URL('../../config/deployment/helm/tmcp-server/', import.meta.url);
const least = {
  config: { server: { public_url: 'https://tmcp.example.org' }, homeserver: { url: 'http://synapse:8008', domain: 'example.org' } },
  secret: { name: 'tmcp' },
  bundles: { existingClaim: 'tmcp-bundles' },
};
const apart = {
  ...least,
  config: { ...least.config, bundles: { store: 's3', s3: { bucket: 'tmcp', access_key_id: 'AKIA' } } },
  bundles: {},
  secret: { name: 'tmcp', keys: { redisUrl: 'redis-url' }, more: { TMCP_BUNDLES_S3_SECRET_ACCESS_KEY: 's3-secret' } },
  deployments: { server: null, api: { roles: ['api'], replicas: 3 }, appservice: { roles: ['appservice'] }, worker: { roles: ['worker'], resources: { limits: { memory: '2Gi' } } } },
  ingress: { enabled: true, host: 'tmcp.example.org', className: 'nginx', tlsSecret: 'tls' },
  appserviceIngress: { enabled: true, host: 'tmcp-inside.example.org' },
  metrics: { podMonitor: true },
};

interface Variable {
  readonly name: string;
  readonly value: string;
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Pod {
  readonly securityContext: object;
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly volumes: readonly { readonly name: string; readonly secret?: { readonly secretName: string }; readonly configMap?: { readonly name: string } }[];
  readonly containers: readonly { readonly args: readonly string[]; readonly env: Variable[]; readonly securityContext: object; readonly volumeMounts: readonly { readonly mountPath: string; readonly readOnly?: boolean }[]; readonly startupProbe: Probe; readonly livenessProbe: Probe; readonly readinessProbe: Probe; readonly lifecycle: { readonly preStop: { readonly sleep: { readonly seconds: number } } } }[];
}

describe('the Helm chart', function () {
  this.timeout(60_000);
  let whole: Rendered;
  let divided: Rendered;
  before(async function () {
    this.timeout(PYTHON_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await helmAvailable());
    [whole, divided] = [await renderChart(chart, least), await renderChart(chart, apart)];
  });

  const named = ({ objects }: Rendered): string[] => objects.map(({ kind, metadata }) => `${kind} ${metadata.name.replace('test-tmcp-server', '')}`).sort();
  const the = ({ objects }: Rendered, kind: string, name = ''): KubernetesObject => objects.find((one) => one.kind === kind && one.metadata.name === `test-tmcp-server${name}`)!;
  const podOf = ({ spec }: KubernetesObject): Pod => (spec as { template: { spec: Pod } }).template.spec;
  const podsOf = ({ objects }: Rendered): Pod[] => objects.filter(({ kind }) => kind === 'Deployment' || kind === 'Job').map(podOf);
  const deploymentsOf = ({ objects }: Rendered): KubernetesObject[] => objects.filter(({ kind }) => kind === 'Deployment');
  const variablesOf = (rendered: Rendered): Variable[] => podsOf(rendered).flatMap((pod) => pod.containers[0]!.env);
  const pathsOf = ({ spec }: KubernetesObject): string[] => (spec as { rules: { http: { paths: { path: string }[] } }[] }).rules[0]!.http.paths.map(({ path }) => path);

  it('passes helm lint, renders, and is what Kubernetes understands', () => {
    for (const { lint, failure } of [whole, divided]) expect({ lint, failure }).to.deep.equal({ lint: [], failure: undefined });
    expect(named(whole)).to.deep.equal(['ConfigMap ', 'ConfigMap -migration', 'Deployment -server', 'Job -migration', 'PodDisruptionBudget -server', 'Service -api', 'Service -appservice']);
    expect(named(divided)).to.deep.equal(['ConfigMap ', 'ConfigMap -migration', 'Deployment -api', 'Deployment -appservice', 'Deployment -worker', 'Ingress ', 'Ingress -appservice', 'Job -migration', 'PodDisruptionBudget -api', 'PodDisruptionBudget -appservice', 'PodDisruptionBudget -worker', 'PodMonitor ', 'Service -api', 'Service -appservice']);
  });

  it('divides the work by roles, and sends requests to who serves them', () => {
    const roles = (rendered: Rendered): (readonly [string, string])[] => deploymentsOf(rendered).map((one) => [one.metadata.name, podOf(one).containers[0]!.env.find(({ name }) => name === 'TMCP_SERVER_ROLES')!.value]);
    expect(roles(whole)).to.deep.equal([['test-tmcp-server-server', 'api,appservice,worker']]);
    expect(roles(divided)).to.deep.equal([['test-tmcp-server-api', 'api'], ['test-tmcp-server-appservice', 'appservice'], ['test-tmcp-server-worker', 'worker']]);
    for (const role of ['api', 'appservice']) {
      const { selector } = the(divided, 'Service', `-${role}`).spec;
      const chosen = deploymentsOf(divided).filter(({ spec }) => Object.entries(selector as object).every(([label, value]) => spec.template.metadata.labels[label] === value));
      expect(chosen.map(({ metadata }) => metadata.name)).to.deep.equal([`test-tmcp-server-${role}`]);
    }
  });

  it('gives the server a configuration that it takes, and only variables that there are', () => {
    const known = new Map(settings.map((setting) => [setting.variable, setting]));
    for (const rendered of [whole, divided]) {
      const directory = temporaryDirectory('chart');
      mkdirSync(join(directory, 'secrets'));
      const secrets: Record<string, string> = { 'database-url': 'postgres://tmcp:pw@postgres/tmcp', 'key-ring.json': '{}', 'redis-url': 'redis://redis:6379', 's3-secret': 'x' };
      for (const [name, text] of Object.entries(secrets)) writeFileSync(join(directory, 'secrets', name), text, { mode: 0o600 });
      const variables = variablesOf(rendered);
      for (const { name } of variables) {
        const setting = known.get(name) ?? known.get(name.replace(/_FILE$/, ''));
        expect(setting, name).not.to.equal(undefined);
        if (name.endsWith('_FILE')) expect(setting!.isSecret, name).to.equal(true);
      }
      const env = Object.fromEntries(variables.map(({ name, value }) => [name, value.replace('/run/secrets/tmcp', join(directory, 'secrets'))]));
      for (const file of [the(rendered, 'ConfigMap'), the(rendered, 'ConfigMap', '-migration')]) {
        writeFileSync(join(directory, 'config.yaml'), file.data['config.yaml'] as string);
        const config = loadConfig({ cwd: directory, file: 'config.yaml', env, ignoreRegistration: true });
        expect([config.server.public_url, config.database.url, config.metrics.host]).to.deep.equal(['https://tmcp.example.org', secrets['database-url'], '0.0.0.0']);
      }
    }
  });

  it('takes secrets from a Secret that there is, and puts none into the release', () => {
    expect([...whole.objects, ...divided.objects].filter(({ kind }) => kind === 'Secret')).to.deep.equal([]);
    for (const pod of podsOf(divided)) expect(pod.volumes.find(({ name }) => name === 'secrets')!.secret!.secretName).to.equal('tmcp');
  });

  it('runs as nobody in particular, and writes nowhere but into its volumes', () => {
    for (const pod of [...podsOf(whole), ...podsOf(divided)]) {
      expect(pod.securityContext).to.include({ runAsNonRoot: true, runAsUser: 1000 });
      expect(pod.automountServiceAccountToken).to.equal(false);
      for (const { securityContext, volumeMounts } of pod.containers) {
        expect(securityContext).to.deep.equal({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
        const writable = volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
        expect(['/data', '/tmp', '/data/bundles']).to.include.members(writable);
      }
    }
  });

  it('asks whether a process lives and whether it is ready, and lets it finish', () => {
    for (const deployment of [...deploymentsOf(whole), ...deploymentsOf(divided)]) {
      const { containers, terminationGracePeriodSeconds } = podOf(deployment);
      const { startupProbe, livenessProbe, readinessProbe, lifecycle } = containers[0]!;
      expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet)).to.deep.equal([{ path: '/health/live', port: 'http' }, { path: '/health/live', port: 'http' }, { path: '/health/ready', port: 'http' }]);
      const grace = loadConfig({ cwd: temporaryDirectory('grace'), env: {}, ignoreRegistration: true }).server.shutdown_grace_seconds;
      expect(terminationGracePeriodSeconds).to.be.at.least(2 * grace + lifecycle.preStop.sleep.seconds);
      expect(deployment.spec.strategy.rollingUpdate).to.deep.equal({ maxUnavailable: 0, maxSurge: 1 });
    }
  });

  it('brings the database up to date before new pods come, with what it needs for that', () => {
    const job = the(whole, 'Job', '-migration');
    const { containers, volumes } = podOf(job);
    expect(job.metadata.annotations!['helm.sh/hook']).to.equal('pre-install,pre-upgrade');
    expect(containers[0]!.args).to.deep.equal(['migrate', '-c', '/etc/tmcp-server/config.yaml']);
    expect(the(whole, 'ConfigMap', '-migration').metadata.annotations!['helm.sh/hook']).to.equal('pre-install,pre-upgrade');
    expect(volumes.find(({ name }) => name === 'config')!.configMap!.name).to.equal('test-tmcp-server-migration');
  });

  it('publishes every path of the API and not what the homeserver sends, in the sizes that are let through', () => {
    const defaults = loadConfig({ cwd: temporaryDirectory('ingress'), env: {}, ignoreRegistration: true });
    const { operations } = loadContract(new URL('../../schema/openapi.yaml', import.meta.url));
    const ingress = the(divided, 'Ingress');
    const paths = pathsOf(ingress);
    const covered = (path: string): boolean => paths.some((prefix) => path === prefix || path.startsWith(`${prefix}/`));
    expect(operations.filter(({ path, servedBy }) => covered(path) === (servedBy === 'appservice')).map(({ path }) => path)).to.deep.equal([]);
    const size = ({ metadata }: KubernetesObject): number => Number(/^(\d+)m$/.exec(metadata.annotations!['nginx.ingress.kubernetes.io/proxy-body-size']!)?.[1]) * 2 ** 20;
    expect(size(ingress)).to.be.greaterThan(Math.max(defaults.bundles.max_bytes, defaults.storage.max_bytes));
    const inside = the(divided, 'Ingress', '-appservice');
    expect(size(inside)).to.be.at.least(defaults.server.appservice_body_limit_bytes);
    expect(pathsOf(inside)).to.deep.equal(['/_matrix/app']);
  });

  it('says what would go wrong: everybody behind one address, limits that are not shared', async () => {
    expect((await renderChart(chart, { ...least, ingress: { enabled: true, host: 'tmcp.example.org' } })).notes).to.contain('share one limit').and.contain('counts requests alone');
    expect(divided.notes).not.to.contain('counts requests alone');
  });

  for (const [what, values, reason] of [
    ['nothing', {}, /public_url/],
    ['an unknown value', { ...least, replicas: 3 }, /replicas/],
    ['no Secret', { ...least, secret: { name: '' } }, /secret/],
    ['plain http', { ...least, config: { ...least.config, server: { public_url: 'http://tmcp.example.org' } } }, /public_url/],
    ['a database in the open', { ...least, config: { ...least.config, database: { url: 'postgres://x' } } }, /config/],
    ['roles that nobody has', { ...least, deployments: { server: { roles: ['api', 'worker'] } } }, /no process has the role appservice/],
    ['an unknown role', { ...least, deployments: { server: { roles: ['bot'] } } }, /roles/],
    ['bundles that pods do not share', { ...least, bundles: {} }, /existingClaim/],
    ['an ingress without a host', { ...least, ingress: { enabled: true } }, /host/],
  ] as const) {
    it(`is refused with ${what}`, async () => expect((await renderChart(chart, values)).failure).to.match(reason));
  }
});
