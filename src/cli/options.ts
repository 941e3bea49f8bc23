import { InvalidArgumentError, type Command } from 'commander';

/** Path of `-c`, wherever on the command line it was given. */
export const configFileOf = (command: Command): string | undefined => command.optsWithGlobals<{ config?: string }>().config;

/** Parses an option that is a whole number. */
export const integer =
  (from: number, to: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < from || value > to) throw new InvalidArgumentError(`It must be a whole number from ${from} to ${to}.`);
    return value;
  };

/** Parses an option that is a base URL; without the slash at its end. */
export function webUrl(text: string): string {
  const url = URL.parse(text);
  const isPlain = url !== null && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === '' && !/[?#\s]/.test(text);
  if (!isPlain) throw new InvalidArgumentError('It must be an http:// or https:// URL without credentials, query or fragment.');
  return text.replace(/\/+$/, '');
}

/** Parses an option that is a Matrix server name. */
export function serverName(text: string): string {
  if (!/^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(text)) throw new InvalidArgumentError('It must be a Matrix server name such as example.org or example.org:8448.');
  return text;
}

/** Parses the name of a person or machine: shown in lists and in the audit trail. */
export function shortName(text: string): string {
  if (text.trim() !== text || text === '' || text.length > 100 || /\p{Cc}/u.test(text)) throw new InvalidArgumentError('It must be 1 to 100 characters, without spaces around them.');
  return text;
}
