import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type DeviceCode, type Provider } from 'oidc-provider';
import type { Transaction } from '../database/index.ts';
import { unixSeconds } from '../kernel/clock.ts';
import { sha256Hex } from '../kernel/ids.ts';
import { deviceCodePage, deviceConfirmPage, donePage } from '../web/pages.ts';
import { apiResource } from './adapter.ts';
import { assertAllowed, draftSession, openDraft } from './authorize.ts';
import { PageError, seeOther, sendPage, type Browser, type SignedIn } from './browser.ts';
import { appModel, askedScopes, deciding, readDecision, type Again, type ConsentDecision } from './consent-form.ts';
import type { OAuthClient } from './clients.ts';
import { grantedScopes } from './consent-repo.ts';
import { rememberDecision } from './decision.ts';
import type { OAuthParts } from './deps.ts';
import { claimDeviceCode, markDeviceCodeAnswered, mayPoll, pollIntervalMs } from './device-repo.ts';
import { parseContext } from './exchange-request.ts';
import type { Form } from './http.ts';
import { decideScopes, parseScopes, type ScopeDecision } from './scopes.ts';
import { signInPath } from './sign-in.ts';
import { confirmModel, pageProof, takeStepUp, type StepUpProof } from './step-up.ts';

const path = '/oauth2/device';
const wrongCode = 'This code is wrong, used or too old.';

/** As people type it: without the dash, in small letters. */
const normalize = (userCode: string): string => userCode.toUpperCase().replace(/[^A-Z0-9]/g, '');
const spelt = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;

interface Question {
  readonly code: DeviceCode;
  readonly client: OAuthClient;
  readonly decision: ScopeDecision;
  readonly context: ReturnType<typeof parseContext>;
}

/** A device asks no oftener than it was told (RFC 8628 section 3.5); how often that is stands in the answer to its request. */
export function limitPolling(provider: Provider, parts: OAuthParts): void {
  const { DeviceCode: model } = provider;
  const find = model.find.bind(model) as (value: string, options?: object) => Promise<DeviceCode | undefined>;
  Object.assign(model, {
    async find(value: string, options?: object): Promise<DeviceCode | undefined> {
      const code = await find(value, options);
      if (code !== undefined && !(await mayPoll(parts.database, sha256Hex(value), parts.clock.now(), (code.exp ?? 0) * 1000))) throw new errors.SlowDown();
      if (code?.accountId !== undefined) await parts.admitTokens('token_generation', code.accountId, code.clientId!);
      return code;
    },
  });
  provider.on('device_authorization.success', (_ctx, body) => void Object.assign(body, { interval: pollIntervalMs / 1000 }));
}

/** Writes the answer: the session and the code that stands for it, in one transaction. Throws PageError when it has one already. */
async function answerCode(tx: Transaction, parts: OAuthParts, signedIn: SignedIn, question: Question, { approved, denied, isDenied }: ConsentDecision, proof: StepUpProof): Promise<boolean> {
  const { code, client, decision, context } = question;
  const { userId } = signedIn;
  const who = { userId, miniappId: client.miniappId };
  const codeHash = sha256Hex(code.jti);
  if (!(await claimDeviceCode(tx, codeHash, userId))) throw new PageError(409, 'This code was answered already', wrongCode);
  await proof.spend(tx);
  await rememberDecision(tx, parts, who, { approved, denied });
  const scopes = isDenied ? [] : parseScopes(code.params?.scope as string | undefined).filter((scope) => decision.held.includes(scope) || approved.includes(scope));
  if (scopes.length === 0) {
    Object.assign(code, { error: 'access_denied', errorDescription: 'The user said no' });
  } else {
    const draft = draftSession(parts, { client, userId, scopes, origin: 'device_code', context, signedInAt: signedIn.signedInAt, lifetimeMs: parts.options.deviceCodeMs + 60_000 });
    await openDraft(tx, parts, client, draft);
    Object.assign(code, { accountId: userId, grantId: draft.id, scope: scopes.join(' '), resource: apiResource, authTime: unixSeconds(signedIn.signedInAt) });
  }
  await parts.ambient.run(tx, () => code.save());
  await markDeviceCodeAnswered(tx, codeHash, userId);
  return scopes.length > 0;
}

/** `/oauth2/device` (RFC 8628 section 3.3): the user, signed in, types or confirms the code that the device shows. */
export function createDevicePages(provider: Provider, parts: OAuthParts, browser: Browser) {
  const findQuestion = async (userCode: string, { userId }: SignedIn): Promise<Question | undefined> => {
    const code = await provider.DeviceCode.findByUserCode(userCode, { ignoreExpiration: true });
    const client = code?.clientId === undefined ? undefined : await parts.clients.findClient(code.clientId);
    if (code === undefined || client === undefined || code.isExpired || code.accountId !== undefined || code.error !== undefined) return undefined;
    const { scope, miniapp_context: context } = (code.params ?? {}) as { scope?: string; miniapp_context?: string };
    const decision = decideScopes(client, parseScopes(scope), await grantedScopes(parts.database, userId, client.miniappId));
    return { code, client, decision, context: parseContext(context) };
  };
  const showCode = (req: IncomingMessage, res: ServerResponse, userCode: string | undefined, error?: string): void => {
    const html = deviceCodePage({ csrfToken: browser.csrfToken(req, res), action: path, ...(userCode === undefined ? {} : { userCode }), ...(error === undefined ? {} : { error }) });
    sendPage(res, html, { status: error === undefined ? 200 : 400 });
  };
  const showQuestion = async (req: IncomingMessage, res: ServerResponse, userCode: string, { client, decision }: Question, { userId }: SignedIn, again?: Again): Promise<void> => {
    const confirm = await confirmModel(parts.stepUp, userId, decision.consentRequired, again !== undefined);
    const html = deviceConfirmPage({
      csrfToken: browser.csrfToken(req, res),
      action: path,
      userCode: spelt(userCode),
      app: appModel(client),
      userId,
      scopes: askedScopes(decision.consentRequired, again?.approved),
      ...(confirm === undefined ? {} : { confirm }),
      ...(again === undefined ? {} : { error: again.refusal.message }),
    });
    sendPage(res, html, { status: again?.refusal.status ?? 200 });
  };

  const answer = async (req: IncomingMessage, res: ServerResponse, form: Form, userCode: string, question: Question, signedIn: SignedIn): Promise<void> => {
    await parts.limits.consent(req, signedIn.userId);
    const decision = readDecision(form, question.decision.consentRequired);
    const decide = async (): Promise<void> => {
      const proof = await takeStepUp(parts.stepUp, { userId: signedIn.userId, miniappId: question.client.miniappId }, decision.approved, pageProof(form));
      if (!decision.isDenied) await assertAllowed(parts, question.client, signedIn.userId, question.context);
      const isConnected = await parts.database.inTransaction((tx) => answerCode(tx, parts, signedIn, question, decision, proof));
      const html = isConnected ? donePage({ title: 'Your device is connected', message: 'You can go back to it and close this page.' }) : donePage({ title: 'Nothing was connected', message: 'You can close this page.' });
      sendPage(res, html);
    };
    await deciding(decision.approved, decide, (again) => showQuestion(req, res, userCode, question, signedIn, again));
  };

  return {
    async show(req: IncomingMessage, res: ServerResponse, query: URLSearchParams): Promise<void> {
      const given = query.get('user_code') ?? undefined;
      // Signed in first: what guesses at codes, guesses under a name.
      if ((await browser.signedIn(req)) === undefined) seeOther(res, signInPath(given === undefined ? path : `${path}?${new URLSearchParams({ user_code: given }).toString()}`));
      else showCode(req, res, given);
    },
    async submit(req: IncomingMessage, res: ServerResponse): Promise<void> {
      const form = await browser.form(req);
      const signedIn = await browser.signedIn(req);
      if (signedIn === undefined) return seeOther(res, signInPath(path));
      await parts.limits.userCode(req, signedIn.userId);
      const userCode = normalize(form.get('user_code') ?? '');
      const question = userCode === '' ? undefined : await findQuestion(userCode, signedIn);
      if (question === undefined) return showCode(req, res, form.get('user_code') ?? undefined, wrongCode);
      if (form.get('decision') === null) return showQuestion(req, res, userCode, question, signedIn);
      return answer(req, res, form, userCode, question, signedIn);
    },
  };
}
