/**
 * What the pages show. Every string may hold anything at all: the pages escape, isolate and shorten. Only `action`, `href` and
 * `signOutHref` are the server's own, and a page throws a TypeError when one isn't a path or an http(s) address.
 */

export type Sensitivity = 'low' | 'medium' | 'high' | 'critical' | 'privileged';

/** The part of every form: where it is posted to, and the hidden field `csrf_token`. */
export interface FormModel {
  readonly csrfToken: string;
  readonly action: string;
}

export interface AppModel {
  readonly name: string;
  readonly developerName?: string;
  readonly verified: boolean;
  readonly official: boolean;
  /** Shown when it is a `data:` URL of an image; initials otherwise, since a page fetches nothing from elsewhere. */
  readonly iconUrl?: string;
}

export interface GrantedScope {
  readonly scope: string;
  /** Plain words, the headline of the scope; scope-words.ts adds a sentence to it. */
  readonly description: string;
}

export interface AskedScope extends GrantedScope {
  readonly sensitivity: Sensitivity;
  /** Without it the app can't be used, so that there is nothing to tick. */
  readonly required: boolean;
  /** Whether the box starts ticked. By default it does, except for critical and privileged scopes: those want a tick of one's own. */
  readonly ticked?: boolean;
}

export type SignInMethod = { readonly kind: 'password' } | { readonly kind: 'redirect'; readonly label: string; readonly href: string };

/** Posts `username` and `password`. */
export interface SignInModel extends FormModel {
  readonly clientName: string;
  readonly methods: readonly SignInMethod[];
  readonly error?: string;
  readonly homeserver: string;
  /** What was typed before, after an error. */
  readonly username?: string;
}

/** A second factor, which critical scopes need: posts `pin` or `code`. */
export interface ConfirmModel {
  readonly pin: boolean;
  readonly code: boolean;
  /** What was typed before was wrong. */
  readonly isWrong: boolean;
}

/** Posts `decision` (`approve` or `deny`) and one `scope` for each ticked box; required scopes are not posted. */
export interface ConsentModel extends FormModel {
  readonly app: AppModel;
  readonly userId: string;
  readonly scopes: readonly AskedScope[];
  readonly granted: readonly GrantedScope[];
  readonly signOutHref: string;
  readonly confirm?: ConfirmModel;
  readonly error?: string;
}

/** Posts `decision`. */
export interface DeveloperModel extends FormModel {
  readonly userId: string;
  /** Host to which the browser goes on. */
  readonly destination: string;
  readonly signOutHref: string;
}

/** Posts `user_code`. */
export interface DeviceCodeModel extends FormModel {
  readonly userCode?: string;
  readonly error?: string;
}

/** Posts `user_code`, `decision` and `scope`, like the consent page. */
export interface DeviceConfirmModel extends FormModel {
  readonly userCode: string;
  readonly app: AppModel;
  readonly userId: string;
  readonly scopes: readonly AskedScope[];
  readonly confirm?: ConfirmModel;
  readonly error?: string;
}

export interface DoneModel {
  readonly title: string;
  readonly message: string;
}

export interface ErrorModel extends DoneModel {
  readonly code?: string;
  readonly requestId?: string;
}

export interface SessionModel {
  readonly id: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly current: boolean;
  readonly userAgent?: string;
}

export interface GrantModel {
  readonly miniappId: string;
  readonly name: string;
  readonly scopes: readonly GrantedScope[];
}

/** Posts `end_session` (an id) or `withdraw` (a mini-app id). */
export interface SessionsModel extends FormModel {
  readonly userId: string;
  readonly sessions: readonly SessionModel[];
  readonly grants: readonly GrantModel[];
  /** What was just done, told at the top. */
  readonly notice?: string;
}
