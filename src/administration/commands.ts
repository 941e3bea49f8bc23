/** What may be written after `!tmcp`. */
export type Command =
  | { readonly name: 'help' | 'status' | 'reviews' }
  | { readonly name: 'approve'; readonly miniappId: string; readonly reason: string | undefined }
  | { readonly name: 'reject' | 'suspend'; readonly miniappId: string; readonly reason: string }
  /** Not understood, and what is wrong with it. */
  | { readonly name: 'unclear'; readonly problem: string };

export type Right = 'view' | 'decide';

export const rightFor: Readonly<Record<Command['name'], Right>> = { help: 'view', status: 'view', reviews: 'view', unclear: 'view', approve: 'decide', reject: 'decide', suspend: 'decide' };

export const usage = [
  '!tmcp status: how the server is',
  '!tmcp reviews: mini-apps that wait for a verdict',
  '!tmcp approve ID [REASON]: into the store',
  '!tmcp reject ID REASON: back to its developer',
  '!tmcp suspend ID REASON: out of the store; its sessions end',
].join('\n');

const maxReasonLength = 500;

/** Reads a command: its name, an id, and the rest as the reason. */
export function readCommand(text: string): Command {
  const [, name = 'help', miniappId, reason = ''] = /^(\S+)?(?:\s+(\S+))?(?:\s+([\s\S]+))?$/.exec(text) ?? [];
  const because = reason.trim().replace(/\s+/g, ' ');
  switch (name) {
    case 'help':
    case 'status':
    case 'reviews':
      return { name };
    case 'approve':
    case 'reject':
    case 'suspend':
      if (miniappId === undefined) return { name: 'unclear', problem: `${name} which mini-app? Name its id.` };
      if (because.length > maxReasonLength) return { name: 'unclear', problem: `The reason has more than ${maxReasonLength} characters.` };
      if (name === 'approve') return { name, miniappId, reason: because === '' ? undefined : because };
      if (because === '') return { name: 'unclear', problem: `${name} ${miniappId} why? Its developers are told the reason.` };
      return { name, miniappId, reason: because };
    default:
      return { name: 'unclear', problem: `There is no command ${name.slice(0, 40)}.` };
  }
}
