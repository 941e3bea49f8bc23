import type { IncomingMessage, ServerResponse } from 'node:http';
import { asUserId, sha256Hex } from '../kernel/ids.ts';
import { consentPage, donePage } from '../web/pages.ts';
import { PageError, seeOther, sendPage, type Browser } from './browser.ts';
import { appModel, askedScopes, deciding, describedScopes, readDecision, type Again } from './consent-form.ts';
import { findPendingConsent, markAnswered, type ConsentRequest } from './consent-repo.ts';
import { rememberDecision } from './decision.ts';
import type { OAuthParts } from './deps.ts';
import { signInPath } from './sign-in.ts';
import { confirmModel, pageProof, takeStepUp } from './step-up.ts';

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
  const render = async (req: IncomingMessage, res: ServerResponse, consentSession: string, request: ConsentRequest, again?: Again): Promise<void> => {
    const client = await clients.findClient(request.clientId);
    if (client === undefined) throw notOpen();
    const confirm = await confirmModel(parts.stepUp, asUserId(request.userId), request.askedScopes, again !== undefined);
    const html = consentPage({
      csrfToken: browser.csrfToken(req, res),
      action: pathOf(consentSession),
      app: appModel(client),
      userId: request.userId,
      scopes: askedScopes(request.askedScopes, again?.approved),
      granted: describedScopes(request.heldScopes),
      signOutHref: signInPath(pathOf(consentSession)),
      ...(confirm === undefined ? {} : { confirm }),
      ...(again === undefined ? {} : { error: again.refusal.message }),
    });
    sendPage(res, html, { status: again?.refusal.status ?? 200 });
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
      const who = { userId: asUserId(request.userId), miniappId: request.miniappId };
      const { approved, denied } = readDecision(form, request.askedScopes);
      const decide = async (): Promise<void> => {
        const proof = await takeStepUp(parts.stepUp, who, approved, pageProof(form));
        const now = clock.now();
        await database.inTransaction(async (tx) => {
          if (!(await markAnswered(tx, request.idHash, now))) throw notOpen();
          await proof.spend(tx);
          await rememberDecision(tx, parts, who, { approved, denied });
        });
        sendPage(res, donePage({ title: 'Thank you', message: 'You can go back to the app and close this page.' }));
      };
      await deciding(approved, decide, (again) => render(req, res, consentSession, request, again));
    },
  };
}
