export { createAdministration } from './bot.ts';
