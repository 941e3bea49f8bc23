export { countActive, listDaysOfUse, listInstalledVersions, type DayOfUse } from './activity-repo.ts';
export { createCatalog, type Catalog } from './catalog.ts';
export { noteInstalledVersion } from './installed-version.ts';
export { createMirror, type Mirror } from './mirror.ts';
export { findRating } from './listing-repo.ts';
export { dayOf, type Day, type RankingPolicy } from './ranking.ts';
export { keptDays } from './score-repo.ts';
export { createWidgetUpkeep, widgetsKind } from './widget-upkeep.ts';
