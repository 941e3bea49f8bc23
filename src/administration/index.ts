export { createAdministration, type AdministrationDependencies } from './bot.ts';
