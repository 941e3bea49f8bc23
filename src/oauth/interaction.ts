import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type Provider } from 'oidc-provider';
import { asUserId, type UserId } from '../kernel/ids.ts';
import { consentPage } from '../web/pages.ts';
import { PageError, seeOther, sendPage, type Browser } from './browser.ts';
import { appModel, askedScopes, deciding, describedScopes, readDecision, type Again } from './consent-form.ts';
import type { OAuthClient } from './clients.ts';
import { grantedScopes } from './consent-repo.ts';
import { rememberDecision } from './decision.ts';
import type { OAuthParts } from './deps.ts';
import { decideScopes, parseScopes, type ScopeDecision } from './scopes.ts';
import { signInPath } from './sign-in.ts';
import { confirmModel, pageProof, takeStepUp } from './step-up.ts';

type Details = Awaited<ReturnType<Provider['interactionDetails']>>;

const tooOld = (): PageError => new PageError(400, 'This page is too old', 'Go back to the app and start again.');

/** The authorization request again, for whoever is signed in by then; what asked for signing in anew has been met. */
function restartPath(details: Details): string {
  const { prompt, max_age: _met, ...params } = details.params as Record<string, string | undefined>;
  const prompts = (prompt ?? '').split(' ').filter((one) => one !== '' && one !== 'login');
  const query = new URLSearchParams(Object.entries({ ...params, prompt: prompts.length === 0 ? undefined : prompts.join(' ') }).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  return `/oauth2/authorize?${query.toString()}`;
}

export interface InteractionPages {
  show(req: IncomingMessage, res: ServerResponse, uid: string): Promise<void>;
  submit(req: IncomingMessage, res: ServerResponse, uid: string): Promise<void>;
}

/** `/oauth2/interaction/:uid`: what an authorization request needs of a person, signing in and agreeing (decision D4). */
export function createInteractionPages(provider: Provider, parts: OAuthParts, browser: Browser): InteractionPages {
  const find = async (req: IncomingMessage, res: ServerResponse, uid: string): Promise<Details> => {
    const details = await provider.interactionDetails(req, res).catch((error: unknown) => {
      if (error instanceof errors.SessionNotFound) throw tooOld();
      throw error;
    });
    if (details.jti !== uid) throw tooOld();
    return details;
  };
  /** The question, for the user who is signed in in this browser and in the request alike. */
  const questionOf = async (req: IncomingMessage, details: Details): Promise<{ client: OAuthClient; userId: UserId; decision: ScopeDecision }> => {
    const params = details.params as { client_id: string; scope?: string };
    const signedIn = await browser.signedIn(req);
    const client = await parts.clients.findClient(params.client_id);
    if (client === undefined || signedIn === undefined || signedIn.userId !== details.session?.accountId) throw tooOld();
    const userId = asUserId(signedIn.userId);
    return { client, userId, decision: decideScopes(client, parseScopes(params.scope), await grantedScopes(parts.database, userId, client.miniappId)) };
  };
  const render = async (req: IncomingMessage, res: ServerResponse, details: Details, again?: Again): Promise<void> => {
    const { client, userId, decision } = await questionOf(req, details);
    const confirm = await confirmModel(parts.stepUp, userId, decision.consentRequired, again !== undefined);
    const html = consentPage({
      csrfToken: browser.csrfToken(req, res),
      action: `/oauth2/interaction/${details.jti}`,
      app: appModel(client),
      userId,
      scopes: askedScopes(decision.consentRequired, again?.approved),
      granted: describedScopes(decision.held),
      signOutHref: signInPath(restartPath(details)),
      ...(confirm === undefined ? {} : { confirm }),
      ...(again === undefined ? {} : { error: again.refusal.message }),
    });
    sendPage(res, html, { status: again?.refusal.status ?? 200, formActions: [(details.params as { redirect_uri: string }).redirect_uri] });
  };

  return {
    async show(req, res, uid) {
      const details = await find(req, res, uid);
      if (details.prompt.name === 'login') seeOther(res, signInPath(restartPath(details)));
      else await render(req, res, details);
    },
    async submit(req, res, uid) {
      const form = await browser.form(req);
      const details = await find(req, res, uid);
      const { client, userId, decision } = await questionOf(req, details);
      await parts.limits.consent(req, userId);
      const { approved, denied, isDenied } = readDecision(form, decision.consentRequired);
      const who = { userId, miniappId: client.miniappId };
      const decide = async (): Promise<void> => {
        const proof = await takeStepUp(parts.stepUp, who, approved, pageProof(form));
        await parts.database.inTransaction(async (tx) => {
          await proof.spend(tx);
          await rememberDecision(tx, parts, who, { approved, denied });
        });
        const result = isDenied ? { error: 'access_denied', error_description: 'The user said no' } : { consent: {} };
        await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: !isDenied });
      };
      await deciding(approved, decide, (again) => render(req, res, details, again));
    },
  };
}
