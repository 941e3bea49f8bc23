import semver from 'semver';
import { notRun, verdictOf, type Advisory, type Finding, type Material, type Outcome } from './types.ts';

interface LockFile {
  readonly packages?: Readonly<Record<string, { readonly version?: string }>>;
  readonly dependencies?: Readonly<Record<string, { readonly version?: string }>>;
}

type Affected = NonNullable<Advisory['affected']>[number];

function isAffected(version: string, { versions, ranges }: Affected): boolean {
  if (versions?.includes(version) === true) return true;
  return (ranges ?? []).some(({ type, events = [] }) => {
    if (type !== 'SEMVER') return false;
    let inside = false;
    for (const { introduced, fixed, last_affected: last } of events) {
      if (introduced !== undefined && (introduced === '0' || semver.gte(version, introduced))) inside = true;
      if (fixed !== undefined && semver.gte(version, fixed)) inside = false;
      if (last !== undefined && semver.gt(version, last)) inside = false;
    }
    return inside;
  });
}

const fixOf = (name: string, affected: Affected): string => {
  const fixed = affected.ranges?.flatMap(({ events = [] }) => events.flatMap((event) => event.fixed ?? [])).at(-1);
  return fixed === undefined ? `Replace ${name}` : `"${name}": ">=${fixed}"`;
};

/** Packages of a `package-lock.json`, of all of its formats. */
function lockedPackages(text: string): [name: string, version: string][] {
  const lock = JSON.parse(text) as LockFile;
  const entries = lock.packages !== undefined ? Object.entries(lock.packages).filter(([path]) => path !== '').map(([path, entry]) => [path.replace(/^.*node_modules\//, ''), entry] as const) : Object.entries(lock.dependencies ?? {});
  return entries.flatMap(([name, { version }]) => (version !== undefined && semver.valid(version) !== null ? [[name, version] as [string, string]] : []));
}

const lockName = 'package-lock.json';

/** Known vulnerabilities of what the lock file names, by the database that the administrators keep. */
export function checkDependencies({ files, advisories }: Material): Outcome {
  const lock = Object.hasOwn(files, lockName) ? files[lockName] : undefined;
  if (lock === undefined) return notRun(`there is no ${lockName} in the bundle`);
  if (advisories === undefined) return notRun('this server has no database of advisories');
  const byName = new Map<string, { advisory: Advisory; affected: Affected }[]>();
  for (const advisory of advisories) {
    for (const affected of advisory.affected ?? []) {
      if (affected.package?.ecosystem !== 'npm' || affected.package.name === undefined) continue;
      byName.set(affected.package.name, [...(byName.get(affected.package.name) ?? []), { advisory, affected }]);
    }
  }
  const lines = lock.split('\n');
  return verdictOf(
    lockedPackages(lock).flatMap(([name, version]) =>
      (byName.get(name) ?? []).filter(({ affected }) => isAffected(version, affected)).map(({ advisory, affected }): Finding => {
        const line = lines.findIndex((one) => one.includes(`node_modules/${name}"`) || one.includes(`"${name}"`)) + 1;
        return { type: 'VULNERABLE_DEPENDENCY', file: lockName, ...(line === 0 ? {} : { line }), severity: 'high', message: `${name} ${version}: ${advisory.id}${advisory.summary === undefined ? '' : `, ${advisory.summary.slice(0, 200)}`}`, fix: fixOf(name, affected) };
      }),
    ),
  );
}
