/** What a scope means to the person who is asked for it. */
export interface ScopeWords {
  /** The headline, after "wants to". */
  readonly title: string;
  /** One sentence: what the app can then do, and what it can't. */
  readonly sentence: string;
}

/** Specification sections 5.2 and 16.7. */
export const scopeWords: Readonly<Record<string, ScopeWords>> = {
  'user:read': { title: 'See your name and picture', sentence: 'It learns your user ID, the name that you show to others, and your picture.' },
  'user:read:extended': { title: 'See your status and profile text', sentence: 'It can read the status and the text about yourself that you put in your profile.' },
  'user:read:contacts': { title: 'See who your contacts are', sentence: 'It can read the list of people you are in touch with, which tells it about them too.' },
  'wallet:balance': { title: 'See how much money you have', sentence: 'It can look up the balance of your wallet at any time, but can’t move money.' },
  'wallet:pay': { title: 'Ask you to confirm payments', sentence: 'It can prepare payments from your wallet. Nothing is paid until you confirm that payment yourself.' },
  'wallet:history': { title: 'See your past payments', sentence: 'It can read what you paid and received, when, and to or from whom.' },
  'wallet:request': { title: 'Request payments from people', sentence: 'It can ask other people for money in your name. They decide whether they pay.' },
  'messaging:send': { title: 'Send messages to rooms', sentence: 'It can write messages for you in rooms, where others see them as coming from you or from the app.' },
  'messaging:read': { title: 'Read messages in rooms', sentence: 'It can read what you and others write in rooms you are in, including earlier messages.' },
  'storage:read': { title: 'Read what it stored for you', sentence: 'It can read back its own saved data, such as settings. It can’t see the data of other apps.' },
  'storage:write': { title: 'Store its own data for you', sentence: 'It can save data of its own, such as settings or a shopping cart, and delete it again.' },
  'webhook:send': { title: 'Be told about events that concern you', sentence: 'Its server is notified when something happens, for example when a payment is completed, even while the app is closed.' },
  'room:create': { title: 'Create rooms', sentence: 'It can create new rooms for you, which then appear in your list of rooms.' },
  'room:invite': { title: 'Invite people to rooms', sentence: 'It can invite other people to rooms for you, and they see that the invitation came through you.' },
  'system:notifications': { title: 'Show system notifications', sentence: 'It can show notifications that look like those of the platform itself.' },
  'wallet:admin': { title: 'Administer wallets', sentence: 'It can change how your wallet is set up, including its limits and its status.' },
  'messaging:broadcast': { title: 'Send messages to everyone', sentence: 'It can send the same message to many people at once, outside of the rooms that you share with them.' },
  'analytics:detailed': { title: 'See detailed statistics', sentence: 'It can read detailed figures about how apps are used, your own use included.' },
};

export const findScopeWords = (scope: string): ScopeWords | undefined => (Object.hasOwn(scopeWords, scope) ? scopeWords[scope] : undefined);

/** How sensitive a scope is, in words beside the colour and the sign. */
export const sensitivityWords = {
  low: 'Low sensitivity',
  medium: 'Medium sensitivity',
  high: 'High sensitivity',
  critical: 'Critical',
  privileged: 'Privileged',
} as const;
