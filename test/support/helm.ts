import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pythonAvailable, pythonCache, pythonWith } from './python.ts';

const run = promisify(execFile);

/** Helm 4's own code as a library, and the schemas of Kubernetes: a program of Helm's would have to be compiled for minutes. */
const environment = ['helm-python-0.2.2', ['helm-python-sdk==0.2.2', 'kubernetes-validate==1.37.0']] as const;
/** What the chart is checked against. */
const KUBERNETES = '1.34';
/** Of other people's making: Kubernetes has no schema of these. */
const FOREIGN = ['PodMonitor'];

const script = `
import json, sys, yaml, kubernetes_validate
from helm_python import Chart, lint
chart, values = sys.argv[1], json.loads(sys.argv[2])
report = lint(chart, values, strict=True, kube_version='v${KUBERNETES}.0')
answer = {'lint': [m for m in report['messages'] if m['severity'] > 1] + report['errors'], 'objects': [], 'notes': ''}
try:
    with Chart.load(chart) as loaded:
        for name, text in loaded.render(values=values, name='test', namespace='matrix').items():
            if name.endswith('.txt'): answer['notes'] = text
            else: answer['objects'] += [one for one in yaml.safe_load_all(text) if one]
    for one in answer['objects']:
        if one['kind'] not in ${JSON.stringify(FOREIGN)}: kubernetes_validate.validate(one, '${KUBERNETES}', strict=True)
except Exception as error:
    answer['failure'] = f'{type(error).__name__}: {error}'
print(json.dumps(answer))
`;

export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  // Tests look at whatever an object has.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [part: string]: any;
}

export interface Rendered {
  /** Warnings and errors of `helm lint --strict`. */
  readonly lint: readonly unknown[];
  readonly objects: readonly KubernetesObject[];
  readonly notes: string;
  /** Why it was refused: by its schema, by its templates, or by Kubernetes' schemas. */
  readonly failure?: string;
}

/** Why there is no Helm here; undefined when there is. */
export const helmAvailable = (): Promise<string | undefined> => pythonAvailable(...environment);

/** Lints and renders a chart, and holds each object against Kubernetes' schema. */
export async function renderChart(chart: URL, values: object): Promise<Rendered> {
  const { stdout } = await run(await pythonWith(...environment), ['-I', '-c', script, join(chart.pathname), JSON.stringify(values)], { cwd: pythonCache(), maxBuffer: 16 * 2 ** 20, timeout: 60_000 });
  return JSON.parse(stdout) as Rendered;
}
