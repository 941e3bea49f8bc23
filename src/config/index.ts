/** The door of the configuration: the only reader of its files and of the environment. */
export { type Config, loadConfig, type LoadConfigOptions } from './load.ts';
export { isLoopbackHost, isLoopbackUrl } from './loopback.ts';
export { ConfigError, type ConfigProblem } from './problems.ts';
export { developmentTokens, loadRegistration, readRegistrationTokens, type Registration, type RegistrationNamespace, usesDevelopmentTokens } from './registration.ts';
