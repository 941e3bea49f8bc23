import type { IncomingMessage, ServerResponse } from 'node:http';
import { sessionsPage } from '../web/pages.ts';
import { seeOther, sendPage, type Browser } from './browser.ts';
import { endBrowserSession, listBrowserSessions } from './browser-session-repo.ts';
import { describedScopes } from './consent-form.ts';
import type { OAuthParts } from './deps.ts';
import type { Authorizations } from './revocation.ts';
import { signInPath } from './sign-in.ts';

const path = '/oauth2/sessions';

/** Where users see and end the browsers that they signed in with, and take back what they granted. */
export function createSessionsPage(parts: OAuthParts, browser: Browser, authorizations: Authorizations) {
  const { database, clock } = parts;
  const show = async (req: IncomingMessage, res: ServerResponse, notice?: string): Promise<void> => {
    const signedIn = await browser.signedIn(req);
    if (signedIn === undefined) return seeOther(res, signInPath(path));
    const { userId, uidHash } = signedIn;
    const sessions = await listBrowserSessions(database, userId, clock.now());
    const grants = (await authorizations.list(userId)).filter(({ answers, sessions: live }) => live > 0 || answers.some(({ state }) => state === 'granted'));
    const html = sessionsPage({
      csrfToken: browser.csrfToken(req, res),
      action: path,
      userId,
      sessions: sessions.map((session) => ({ id: session.uidHash, createdAt: session.createdAt, lastSeenAt: session.lastSeenAt, current: session.uidHash === uidHash })),
      grants: grants.map(({ miniappId, client, answers, heldScopes }) => ({
        miniappId,
        name: client?.name ?? miniappId,
        scopes: describedScopes([...new Set([...answers.filter(({ state }) => state === 'granted').map(({ scope }) => scope), ...heldScopes])]),
      })),
      ...(notice === undefined ? {} : { notice }),
    });
    sendPage(res, html);
  };
  return {
    show,
    async submit(req: IncomingMessage, res: ServerResponse): Promise<void> {
      const form = await browser.form(req);
      const signedIn = await browser.signedIn(req);
      if (signedIn === undefined) return seeOther(res, signInPath(path));
      const ended = form.get('end_session');
      const miniappId = form.get('withdraw');
      if (ended !== null) {
        await endBrowserSession(database, signedIn.userId, ended);
        if (ended === signedIn.uidHash) browser.forget(res);
      }
      if (miniappId !== null) await database.inTransaction((tx) => authorizations.revoke(tx, { userId: signedIn.userId, miniappId, scopes: undefined, reason: 'user_initiated' }));
      seeOther(res, path);
    },
  };
}
