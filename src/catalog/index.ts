export { createCatalog, type Catalog } from './catalog.ts';
export { noteInstalledVersion } from './installed-version.ts';
export { createMirror, type Mirror } from './mirror.ts';
export { dayOf, type RankingPolicy } from './ranking.ts';
