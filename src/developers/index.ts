export { createConsole, type Console, type ConsoleOptions } from './console.ts';
export { createOrganizations, type Actor, type Organizations } from './organizations.ts';
export { endSessions as endDeveloperSessions, purgeExpiredDeveloperTokens } from './repo.ts';
export { createOwnership } from './ownership.ts';
export { may, organizationRoles, type OrganizationRole, type Permission } from './roles.ts';
export { developerRoutes } from './routes.ts';
export { developerTokenRoutes } from './token-routes.ts';
export { createDeveloperTokens, type CodeRequest, type DeveloperTokens, type TokenSigner } from './tokens.ts';
export { createWhitelist, type Whitelist } from './whitelist.ts';
