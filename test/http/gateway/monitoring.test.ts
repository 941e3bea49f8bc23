import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { openTracing } from '../../../src/operations/index.ts';
import { requireOrSkip } from '../../support/availability.ts';
import { call } from '../../support/api.ts';
import { onBothDatabases, type TestDatabase } from '../../support/databases.ts';
import { startServer } from '../../support/http-server.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('monitoring')}/tmcp.db`) };
const folder = new URL('../../../config/monitoring/', import.meta.url);
const path = (name: string): string => new URL(name, folder).pathname;

const alerts = (parse(readFileSync(path('alerts.yml'), 'utf8')) as { groups: { rules: { alert: string; expr: string }[] }[] }).groups.flatMap(({ rules }) => rules);
const panels = (JSON.parse(readFileSync(path('grafana-dashboard.json'), 'utf8')) as { panels: { title: string; targets: { expr: string }[] }[] }).panels;
const queries = [...alerts.map(({ alert, expr }) => ({ of: alert, expr })), ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ of: title, expr })))];

function promtool(): string | undefined {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'promtool is not on PATH';
  }
}

onBothDatabases('what is exported', (databases) => {
  let server: WholeServer;
  before(async () => {
    server = await startWholeServer(databases);
  });
  after(() => server.close());

  const metrics = (): Promise<string> => server.app.metrics.registry.metrics();

  it('counts requests by operation and status, with their times', async () => {
    await call(server.url, 'GET', '/api/v1/version');
    await call(server.url, 'GET', '/api/v1/client/installed');
    const text = await metrics();
    expect(text).to.contain('tmcp_http_request_duration_seconds_count{operation="getVersion",method="GET",status="200"} 1');
    expect(text).to.contain('tmcp_http_request_duration_seconds_count{operation="listInstalled",method="GET",status="401"} 1');
    expect(text).to.match(/tmcp_rate_limit_requests_total\{category="public",outcome="allowed"\} \d/);
  });

  it('says how many jobs there are, how old the oldest is, and how late the first', async () => {
    const now = server.clock.now();
    const job = { kind: 'test.late', body: '{}', attempts: 0 };
    await server.database.sql('job').insert([
      { ...job, id: 'late', stream: 'late', pos: 1, state: 'queued', created_at: now - 100_000, next_at: now - 60_000 },
      { ...job, id: 'later', stream: 'late', pos: 2, state: 'queued', created_at: now - 50_000, next_at: now + 60_000 },
      { ...job, id: 'parked', stream: 'late', pos: 3, state: 'parked', created_at: now - 5_000, next_at: now },
    ]);
    const text = await metrics();
    const value = (name: string, state: string): number => Number(new RegExp(`^${name}\\{kind="test\\.late",state="${state}"\\} (\\S+)`, 'm').exec(text)?.[1]);
    expect([value('tmcp_jobs', 'queued'), value('tmcp_jobs', 'parked')]).to.deep.equal([2, 1]);
    expect(value('tmcp_job_lag_seconds', 'queued')).to.be.within(60, 70);
    expect(value('tmcp_job_oldest_age_seconds', 'queued')).to.be.within(100, 110);
    expect(value('tmcp_job_lag_seconds', 'parked')).to.be.NaN;
  });
});

describe('dashboards and alerts', () => {
  let exported: ReadonlySet<string>;
  before(async () => {
    const server = await startWholeServer(sqlite);
    const { registry } = server.app.metrics;
    exported = new Set((await registry.getMetricsAsJSON()).flatMap(({ name, type }) => (String(type) === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`] : [name])));
    await server.close();
  });

  it('ask only for metrics that there are', () => {
    expect(queries.length).to.be.greaterThan(25);
    for (const { of, expr } of queries) {
      const names = expr.match(/\b(tmcp|nodejs|process)_\w+/g) ?? [];
      if (!expr.startsWith('up{')) expect(names, of).not.to.deep.equal([]);
      for (const name of names) expect(exported.has(name), `${of}: ${name}`).to.equal(true);
    }
  });

  it('show every metric of ours somewhere', () => {
    const shown = queries.map(({ expr }) => expr).join('\n');
    const hidden = [...exported].filter((name) => name.startsWith('tmcp_') && !shown.includes(name.replace(/_(bucket|count|sum)$/, '')));
    expect(hidden).to.deep.equal(['tmcp_job_oldest_age_seconds']);
  });

  it('are what Prometheus understands', function () {
    this.timeout(30_000);
    requireOrSkip(this, promtool());
    for (const [what, file] of [['rules', 'alerts.yml'], ['config', 'prometheus.yml']] as const) expect(execFileSync('promtool', ['check', what, path(file)], { encoding: 'utf8' })).to.contain('SUCCESS');
    // Every query of the dashboard, as if it were a rule.
    const rules = panels.flatMap(({ targets }) => targets.map(({ expr }, index) => ({ record: `q:${index}`, expr: expr.replaceAll('$__rate_interval', '1m') })));
    const file = join(temporaryDirectory('promtool'), 'dashboard.json');
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules: rules.map((rule, index) => ({ ...rule, record: `dashboard:q${index}` })) }] }));
    expect(execFileSync('promtool', ['check', 'rules', file], { encoding: 'utf8' })).to.contain(`${rules.length} rules found`);
  });

  it('go off when they should, and not otherwise', function () {
    this.timeout(30_000);
    requireOrSkip(this, promtool());
    const alert = (name: string, labels: object, annotations: object) => ({ eval_time: '10m', alertname: name, exp_alerts: [{ exp_labels: labels, exp_annotations: annotations }] });
    const series = (name: string, values: string) => ({ series: name, values });
    const tests = [
      { interval: '1m', input_series: [series('tmcp_rate_limit_redis_up{instance="a"}', '1 1 0x20'), series('tmcp_rate_limit_redis_up{instance="b"}', '1x20')], alert_rule_test: [alert('TmcpLimitsNotShared', { severity: 'warning', instance: 'a' }, { summary: 'Redis does not answer: a counts requests alone' })] },
      { interval: '1m', input_series: [series('tmcp_job_lag_seconds{kind="inbound.event",state="queued"}', '90x20')], alert_rule_test: [alert('TmcpInboxLag', { severity: 'warning' }, { summary: 'Events of the homeserver wait for more than a minute' }), { eval_time: '10m', alertname: 'TmcpOutboxLag', exp_alerts: [] }] },
      {
        interval: '1m',
        input_series: [series('tmcp_suspensions_total{reason="suspected_automation_invented_ids"}', '0 0 2 5x20'), series('tmcp_suspensions_total{reason="suspected_automation_new_tokens"}', '0 0 2x20'), series('tmcp_suspensions_total{reason="repeated_payment_failures"}', '0 0 9x20')],
        alert_rule_test: [alert('TmcpSuspectedAutomation', { severity: 'warning', reason: 'suspected_automation_invented_ids' }, { summary: 'Several users are suspended within an hour: suspected_automation_invented_ids', description: "Somebody probes, or a client has a fault. See GET /admin/v1/suspensions, and the administrators' documentation for what the reasons mean." })],
      },
      { interval: '1m', input_series: [series('tmcp_http_request_duration_seconds_count{status="500"}', '0+5x20'), series('tmcp_http_request_duration_seconds_count{status="200"}', '0+95x20')], alert_rule_test: [alert('TmcpErrors', { severity: 'critical' }, { summary: 'More than 2 % of the requests fail on our side' })] },
    ];
    const file = join(temporaryDirectory('promtool'), 'test.json');
    writeFileSync(file, JSON.stringify({ rule_files: [path('alerts.yml')], evaluation_interval: '1m', tests }));
    expect(execFileSync('promtool', ['test', 'rules', file], { encoding: 'utf8' })).to.contain('SUCCESS');
  });
});

describe('traces by OpenTelemetry', () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';

  it('are sent where the configuration says, with parent, name and outcome, and no more than were asked for', async function () {
    this.timeout(30_000);
    const received: { authorization: string | undefined; body: string }[] = [];
    const collector = await startServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
        received.push({ authorization: req.headers.authorization, body: Buffer.concat(chunks).toString('utf8') });
        res.setHeader('content-type', 'application/json').end('{}');
      });
    });
    const tracing = await openTracing({ url: `${collector.url}/v1/traces`, authorization: 'Bearer collector', samplePercent: 0, version: 'test' });
    const server = await startWholeServer(sqlite, {}, { tracer: tracing.tracer });
    await call(server.url, 'GET', '/api/v1/version', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
    await call(server.url, 'GET', '/health/live');
    await server.close();
    await tracing.close();
    await collector.close();

    expect(received.map(({ authorization }) => authorization)).to.deep.equal(['Bearer collector']);
    const { resourceSpans } = JSON.parse(received[0]!.body) as { resourceSpans: { resource: { attributes: { key: string; value: object }[] }; scopeSpans: { spans: { traceId: string; parentSpanId: string; name: string; attributes: { key: string; value: object }[] }[] }[] }[] };
    expect(resourceSpans[0]!.resource.attributes).to.deep.include({ key: 'service.name', value: { stringValue: 'tmcp-server' } });
    const spans = resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((one) => one.spans));
    expect(spans.map((span) => [span.traceId, span.parentSpanId, span.name])).to.deep.equal([[traceId, '00f067aa0ba902b7', 'getVersion']]);
    expect(spans[0]!.attributes).to.deep.include({ key: 'http.response.status_code', value: { intValue: 200 } });
  });
});
