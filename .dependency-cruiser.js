/** The import rules of docs/architecture.md: kernel <- config, database, jobs, http, ports <- features <- adapters <- app <- main. */
const features = 'wallet-service|miniapps|releases|reviews|developers|catalog|analytics|cards|capabilities|administration|storage|payments|transfers|gifts|mfa|webhooks|wallet|idempotency|notices|users|proxying';
export default {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    { name: 'kernel-is-pure', severity: 'error', comment: 'kernel imports nothing of the project outside itself', from: { path: '^src/kernel/' }, to: { path: '^src/', pathNot: '^src/(kernel|generated)/' } },
    {
      name: 'base-knows-no-feature', severity: 'error',
      from: { path: '^src/(config|database|jobs|http)/' },
      to: { path: `^src/(${features}|matrix|oauth|cli|web|app|main)` },
    },
    { name: 'features-meet-at-the-door', severity: 'error', from: { path: `^src/(${features})/` }, to: { path: `^src/(${features})/`, pathNot: ['^src/$1/', '/index\\.ts$'] } },
    { name: 'nobody-imports-main', severity: 'error', from: { pathNot: '^src/cli/' }, to: { path: '^src/main\\.ts$' } },
    { name: 'app-is-the-composition-root', severity: 'error', from: { path: '^src/', pathNot: '^src/(main|cli/.*|app)\\.ts$' }, to: { path: '^src/app\\.ts$' } },
    { name: 'express-only-in-http-and-routes', severity: 'error', from: { path: '^src/', pathNot: '(^src/http/|/routes\\.ts$|^src/app\\.ts$|^src/matrix/receiver\\.ts$|^src/oauth/)' }, to: { path: 'node_modules/express/', dependencyTypesNot: ['type-only'] } },
    { name: 'knex-only-in-repositories', severity: 'error', from: { path: '^src/', pathNot: '(^src/database/|^src/jobs/|repo\\.ts$|^src/oauth/adapter\\.ts$)' }, to: { path: 'node_modules/knex/' } },
    { name: 'one-file-imports-the-bridge', severity: 'error', from: { path: '^src/', pathNot: '^src/matrix/bridge\\.ts$' }, to: { path: 'node_modules/(matrix-appservice-bridge|@vector-im/matrix-bot-sdk)/' } },
    { name: 'web-imports-only-generated', severity: 'error', from: { path: '^src/web/' }, to: { path: '^src/', pathNot: '^src/(generated|web)/' } },
    { name: 'no-tests-in-src', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench|scripts)/' } },
    { name: 'no-dev-dependencies-in-src', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev'] } },
    { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src/', pathNot: ['^src/main\\.ts$', '\\.d\\.ts$'] }, to: {} },
  ],
  options: { doNotFollow: { path: 'node_modules' }, tsPreCompilationDeps: true, tsConfig: { fileName: 'tsconfig.json' }, enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] } },
};
