import type { IncomingMessage, ServerResponse } from 'node:http';
import { asUserId, sha256Hex } from '../kernel/ids.ts';
import { consentPage, donePage } from '../web/pages.ts';
import { PageError, seeOther, sendPage, type Browser } from './browser.ts';
import { appModel, askedScopes, describedScopes, readDecision } from './consent-form.ts';
import { findPendingConsent, markAnswered, recordAnswer, type ConsentRequest } from './consent-repo.ts';
import type { OAuthParts } from './deps.ts';
import { signInPath } from './sign-in.ts';
import { assertStepUp } from './step-up.ts';

const notOpen = (): PageError => new PageError(404, 'This question is not open', 'It was answered, or it is too old. Go back to the app and start again.');

/** The question of a token exchange, for a browser instead of a native client (decision D4): the same user, signed in with us. */
export function createConsentPage(parts: OAuthParts, browser: Browser) {
  const { database, clock, clients } = parts;
  const pathOf = (consentSession: string): string => `/oauth2/consent?${new URLSearchParams({ session: consentSession }).toString()}`;

  /** The open question, when its user is who is signed in here; undefined when nobody is. */
  const openFor = async (req: IncomingMessage, consentSession: string): Promise<ConsentRequest | undefined> => {
    const signedIn = await browser.signedIn(req);
    if (signedIn === undefined) return undefined;
    const request = await findPendingConsent(database, sha256Hex(consentSession), clock.now());
    if (request === undefined) throw notOpen();
    if (request.userId !== signedIn.userId) throw new PageError(403, 'Somebody else was asked', 'Sign in as the user who opened the app.');
    return request;
  };
  const render = async (req: IncomingMessage, res: ServerResponse, consentSession: string, request: ConsentRequest, error?: string): Promise<void> => {
    const client = await clients.findClient(request.clientId);
    if (client === undefined) throw notOpen();
    const html = consentPage({
      csrfToken: browser.csrfToken(req, res),
      action: pathOf(consentSession),
      app: appModel(client),
      userId: request.userId,
      scopes: askedScopes(request.askedScopes),
      granted: describedScopes(request.heldScopes),
      signOutHref: signInPath(pathOf(consentSession)),
      ...(error === undefined ? {} : { error }),
    });
    sendPage(res, html, { status: error === undefined ? 200 : 403 });
  };

  return {
    async show(req: IncomingMessage, res: ServerResponse, consentSession: string): Promise<void> {
      const request = await openFor(req, consentSession);
      if (request === undefined) seeOther(res, signInPath(pathOf(consentSession)));
      else await render(req, res, consentSession, request);
    },
    async submit(req: IncomingMessage, res: ServerResponse, consentSession: string): Promise<void> {
      const form = await browser.form(req);
      const request = await openFor(req, consentSession);
      if (request === undefined) return seeOther(res, signInPath(pathOf(consentSession)));
      await parts.limits.consent(req, request.userId);
      const userId = asUserId(request.userId);
      const { approved, denied } = readDecision(form, request.askedScopes);
      const stepUpError = await assertStepUp(parts.stepUp, userId, approved);
      if (stepUpError !== undefined) return render(req, res, consentSession, request, stepUpError);
      const now = clock.now();
      await database.inTransaction(async (tx) => {
        if (!(await markAnswered(tx, request.idHash, now))) throw notOpen();
        await recordAnswer(tx, { userId, miniappId: request.miniappId }, approved, 'granted', 'user_consent', now);
        await recordAnswer(tx, { userId, miniappId: request.miniappId }, denied, 'denied', 'user_consent', now);
      });
      sendPage(res, donePage({ title: 'Thank you', message: 'You can go back to the app and close this page.' }));
    },
  };
}
