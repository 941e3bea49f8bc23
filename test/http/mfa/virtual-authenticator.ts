import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { sharedBrowser } from '../../support/browser.ts';

/** A page in Chromium with an authenticator that is made of software and verifies its user by itself. */
export interface VirtualAuthenticator {
  /** `navigator.credentials.create`; the answer as JSON. Rejects as the browser does. */
  create(options: object): Promise<Record<string, unknown>>;
  /** `navigator.credentials.get` */
  get(options: object): Promise<Assertion>;
  /** From now on the user is (not) who they say. */
  verifyUser(isVerified: boolean): Promise<void>;
  close(): Promise<void>;
}

export type Assertion = Record<string, unknown> & { readonly id: string; readonly response: Readonly<Record<string, string>> };

/** In the page: its types are not ours. */
interface BrowserGlobals {
  PublicKeyCredential: { parseCreationOptionsFromJSON(options: object): object; parseRequestOptionsFromJSON(options: object): object };
  navigator: { credentials: { create(options: object): Promise<{ toJSON(): Record<string, unknown> }>; get(options: object): Promise<{ toJSON(): Record<string, unknown> }> } };
}

async function addAuthenticator(session: CDPSession): Promise<string> {
  await session.send('WebAuthn.enable');
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  return authenticatorId;
}

/** `url`: a page of the origin that the ceremonies run in. */
export async function startVirtualAuthenticator(url: string): Promise<VirtualAuthenticator> {
  const context: BrowserContext = await (await sharedBrowser()).newContext();
  const page: Page = await context.newPage();
  await page.goto(url);
  const session = await context.newCDPSession(page);
  const authenticatorId = await addAuthenticator(session);
  return {
    create: (options) =>
      page.evaluate(async (json) => {
        const { PublicKeyCredential, navigator } = globalThis as unknown as BrowserGlobals;
        return (await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json) })).toJSON();
      }, options),
    get: (options) =>
      page.evaluate(async (json) => {
        const { PublicKeyCredential, navigator } = globalThis as unknown as BrowserGlobals;
        return (await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json) })).toJSON();
      }, options) as Promise<Assertion>,
    verifyUser: async (isUserVerified) => void (await session.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified })),
    close: () => context.close(),
  };
}
