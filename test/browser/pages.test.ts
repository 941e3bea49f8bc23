import axe from 'axe-core';
import { expect } from 'chai';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { consentPage, deviceConfirmPage, signInPage } from '../../src/web/pages.ts';
import { requireOrSkip } from '../support/availability.ts';
import { chromiumAvailable, sharedBrowser } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { startServer } from '../support/http-server.ts';
import { askedScopes, consentModel, hostileStrings, replaceStrings, samples, signInModel } from '../support/page-models.ts';
import { focused, lowContrast, overflow, skeleton, smallTargets } from './in-page.ts';
import { startPageSite, type PageSite } from './page-site.ts';

const schemes = ['light', 'dark'] as const;
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

interface Focus {
  readonly what: string;
  readonly ringed: boolean;
  readonly inView: boolean;
}

interface Visit {
  readonly page: Page;
  /** What the browser complained about: the policy, the console, failed loads. */
  readonly complaints: string[];
}

describe('pages in Chromium', function () {
  this.timeout(60_000);
  let browser: Browser;
  let site: PageSite;

  before(async function () {
    requireOrSkip(this, await chromiumAvailable());
    browser = await sharedBrowser();
    site = await startPageSite();
  });
  after(async () => {
    for (const page of openPages.values()) await page.context().close();
    await site?.close();
  });
  beforeEach(() => {
    Object.assign(site, { redirectTo: undefined, formActions: [] });
    site.posts.length = site.visits.length = 0;
    for (const [title, { model, show }] of Object.entries(samples)) site.pages.set(`/${title}`, show(model));
  });

  /** One page for each way of looking, since pages keep nothing. */
  const openPages = new Map<string, Page>();

  async function pageWith(options: BrowserContextOptions): Promise<Page> {
    const key = JSON.stringify(options);
    const page = openPages.get(key) ?? (await (await browser.newContext({ viewport: { width: 900, height: 900 }, ...options })).newPage());
    openPages.set(key, page);
    return page;
  }

  /** Goes to a path of the site, or to an address, and does the work there. */
  async function visit(path: string, options: BrowserContextOptions, work: (visit: Visit) => Promise<void>): Promise<void> {
    const page = await pageWith(options);
    await page.goto('about:blank');
    const complaints: string[] = [];
    page.removeAllListeners();
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
    await page.goto(path.includes('://') ? path : `${site.url}${path}`);
    await work({ page, complaints });
  }

  for (const title of Object.keys(samples)) {
    it(`"${title}" breaks no policy, loads nothing more, and passes the accessibility checks, in light and in dark`, async () => {
      const pictures: Buffer[] = [];
      for (const colorScheme of schemes) {
        await visit(`/${title}`, { colorScheme, reducedMotion: 'reduce' }, async ({ page, complaints }) => {
          pictures.push(await page.screenshot());
          await page.evaluate(axe.source);
          const { violations, passes } = await page.evaluate<axe.AxeResults>(`axe.run({ runOnly: ${JSON.stringify(rules)}, rules: { 'target-size': { enabled: true } } })`);
          expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`)).to.deep.equal([]);
          expect(passes.map(({ id }) => id)).to.include.members(['color-contrast', 'document-title', 'page-has-heading-one', 'region']);
          const contrast = await page.evaluate<{ seen: number; bad: string[] }>(lowContrast);
          expect(contrast.bad, colorScheme).to.deep.equal([]);
          expect(contrast.seen).to.be.above(2);
          expect(await page.evaluate(smallTargets)).to.deep.equal([]);
          expect(complaints).to.deep.equal([]);
        });
      }
      expect(site.visits.map(({ path }) => path)).to.deep.equal([`/${title}`, `/${title}`]);
      expect(pictures[0]!.equals(pictures[1]!)).to.equal(false);
    });

    it(`"${title}" never scrolls sideways: at 320 pixels, or with letters twice as large`, async () => {
      const { model, show } = samples[title]!;
      site.pages.set('/long', show(replaceStrings(model, (key) => `${key}W`.padEnd(300, 'W'))));
      for (const path of [`/${title}`, '/long']) {
        await visit(path, { viewport: { width: 320, height: 640 } }, async ({ page }) => {
          expect(await page.evaluate(overflow), path).to.equal(0);
        });
        await visit(path, { viewport: { width: 640, height: 640 } }, async ({ page }) => {
          await page.evaluate(`document.documentElement.style.fontSize = '200%'`);
          expect(await page.evaluate(overflow), path).to.equal(0);
        });
      }
    });

  }

  it('are not broken by hostile strings, and send them back unchanged', async () => {
    for (const [title, { model, show }] of Object.entries(samples)) {
      site.pages.set('/harmless', show(replaceStrings(model, () => 'x')));
      let next = 0;
      site.pages.set('/hostile', show(replaceStrings(model, () => hostileStrings[next++ % hostileStrings.length]!)));
      let expected: unknown;
      await visit('/harmless', {}, async ({ page }) => void (expected = await page.evaluate(skeleton)));
      await visit('/hostile', {}, async ({ page, complaints }) => {
        expect(await page.evaluate(skeleton), title).to.deep.equal(expected);
        expect(await page.evaluate('globalThis.broken')).to.equal(undefined);
        expect(complaints).to.deep.equal([]);
      });
    }
    const scope = `"><script>'&amp;\u202e=%00+é`;
    site.pages.set('/', consentPage({ ...consentModel, csrfToken: scope, scopes: [{ scope, description: 'x', sensitivity: 'low', required: false }] }));
    await visit('/', {}, async ({ page }) => {
      await page.getByRole('button', { name: 'Allow selected' }).click();
      await page.getByRole('heading', { name: 'Posted' }).waitFor();
    });
    expect(site.posts[0]!.fields).to.deep.equal([['csrf_token', scope], ['scope', scope], ['decision', 'approve']]);
  });

  describe('with the keyboard alone', () => {
    it('consent is read, chosen and given in order, with a visible focus', async () => {
      await visit('/consent', {}, async ({ page }) => {
        const walk: string[] = [];
        for (let step = 0; step < 7; step += 1) {
          await page.keyboard.press('Tab');
          const state = await page.evaluate<Focus>(focused);
          expect(state, state.what).to.include({ ringed: true, inView: true });
          walk.push(state.what);
          if (state.what === 'input scope webhook:send' || state.what === 'input scope wallet:pay') await page.keyboard.press('Space');
          if (state.what === 'summary') await page.keyboard.press('Enter');
        }
        expect(walk).to.deep.equal(['a', 'input scope wallet:balance', 'input scope webhook:send', 'input scope wallet:pay', 'summary', 'button decision deny', 'button decision approve']);
        expect(await page.getByText('Read what it stored for you').isVisible()).to.equal(true);
        await page.keyboard.press('Enter');
        await page.getByRole('heading', { name: 'Posted' }).waitFor();
      });
      expect(site.posts.map(({ fields }) => fields)).to.deep.equal([[['csrf_token', 'csrf-1'], ['scope', 'wallet:balance'], ['scope', 'wallet:pay'], ['decision', 'approve']]]);
    });

    it('Enter in a tick box decides nothing', async () => {
      await visit('/consent', {}, async ({ page }) => {
        await page.evaluate(`globalThis.methods = []; addEventListener('submit', (event) => methods.push(event.submitter.formMethod))`);
        await page.getByRole('checkbox', { name: 'Ask you to confirm payments' }).focus();
        await page.keyboard.press('Enter');
        expect(await page.evaluate('methods')).to.deep.equal(['dialog']);
        await page.getByRole('button', { name: 'Deny' }).focus();
        await page.keyboard.press('Enter');
        await page.getByRole('heading', { name: 'Posted' }).waitFor();
      });
      expect(site.posts.map(({ fields }) => fields.at(-1))).to.deep.equal([['decision', 'deny']]);
    });

    it('an error is focused first, and leads to the field it is about', async () => {
      for (const [path, field] of [['/sign-in-failed', 'username'], ['/device-code-failed', 'user_code']] as const) {
        await visit(path, {}, async ({ page }) => {
          // The browser moves the focus when it paints.
          await eventually(async () => expect(await page.evaluate('document.activeElement.id + " " + document.activeElement.getAttribute("role")')).to.equal('problem alert'), { description: 'the error has the focus' });
          expect(await page.title()).to.match(/^Error: /);
          await page.keyboard.press('Tab');
          await page.keyboard.press('Enter');
          await eventually(async () => expect(await page.evaluate('document.activeElement.id')).to.equal(field), { description: 'the field has the focus' });
          expect(await page.locator(`#${field}`).getAttribute('aria-invalid')).to.equal('true');
        });
      }
    });
  });

  describe('read out', () => {
    it('a scope says its name, why, and how sensitive it is; a button says what it ends', async () => {
      await visit('/consent', {}, async ({ page }) => {
        const box = page.getByRole('checkbox', { name: 'Ask you to confirm payments', exact: true, description: /Nothing is paid until you confirm that payment yourself\. Critical/ });
        expect(await box.count()).to.equal(1);
        expect(await page.getByRole('group', { name: 'You may also let it' }).count()).to.equal(1);
      });
      await visit('/sessions', {}, async ({ page }) => {
        for (const name of ['Withdraw access of Corner Shop', 'Withdraw access of News', 'Sign out Firefox on Linux', 'End session Unknown browser']) expect(await page.getByRole('button', { name, exact: true }).count(), name).to.equal(1);
      });
    });
  });

  describe('forms', () => {
    it('post the right fields, without any script', async () => {
      const cases: readonly [path: string, act: (page: Page) => Promise<void>, fields: [string, string][]][] = [
        ['/sign-in', async (page) => {
          await page.getByLabel('User name').fill('alice');
          await page.getByLabel('Password').fill('p&=+ä');
          await page.keyboard.press('Enter');
        }, [['username', 'alice'], ['password', 'p&=+ä']]],
        ['/device-code', async (page) => {
          await page.getByLabel('Code').fill('wdjb mjht');
          await page.getByRole('button', { name: 'Continue' }).click();
        }, [['user_code', 'wdjb mjht']]],
        ['/device-confirm', (page) => page.getByRole('button', { name: 'Deny' }).click(), [['user_code', 'WDJB-MJHT'], ['scope', 'wallet:balance'], ['scope', 'webhook:send'], ['decision', 'deny']]],
        ['/consent', async (page) => {
          await page.getByRole('listitem').filter({ hasText: 'See how much money you have' }).click();
          await page.getByRole('listitem').filter({ hasText: 'Ask you to confirm payments' }).click();
          await page.getByRole('button', { name: 'Allow selected' }).click();
        }, [['scope', 'webhook:send'], ['scope', 'wallet:pay'], ['decision', 'approve']]],
        ['/consent-all-required', (page) => page.getByRole('button', { name: 'Allow', exact: true }).click(), [['decision', 'approve']]],
        ['/sessions', (page) => page.getByRole('button', { name: 'Withdraw access of News' }).click(), [['withdraw', 'ma_news']]],
        ['/sessions', (page) => page.getByRole('button', { name: 'End session' }).click(), [['end_session', 'ses_2']]],
      ];
      for (const [path, act, fields] of cases) {
        await visit(path, { javaScriptEnabled: false }, async ({ page }) => {
          await act(page);
          await page.getByRole('heading', { name: 'Posted' }).waitFor();
        });
        expect(site.posts.pop(), path).to.deep.equal({ fields: [['csrf_token', 'csrf-1'], ...fields], origin: site.url });
      }
    });

    it('tell the browser what belongs in their fields', async () => {
      await visit('/sign-in', {}, async ({ page }) => {
        expect(await page.getByLabel('User name').getAttribute('autocomplete')).to.equal('username');
        expect(await page.getByLabel('Password').getAttribute('autocomplete')).to.equal('current-password');
        expect(await page.getByRole('link', { name: 'Continue with Example ID' }).getAttribute('href')).to.equal('https://id.example.org/login?next=%2F');
      });
      await visit('/device-code', {}, async ({ page }) => {
        expect(await page.getByLabel('Code').getAttribute('autocomplete')).to.equal('one-time-code');
      });
    });

    it('lead back to the app only where the headers say so, without a referrer', async () => {
      const arrivals: (string | undefined)[] = [];
      const app = await startServer((req, res) => {
        if (req.url === '/done?code=1') arrivals.push(req.headers.referer);
        res.writeHead(200, { 'content-type': 'text/html' }).end('<title>App</title>');
      });
      try {
        site.redirectTo = `${app.url}/done?code=1`;
        await visit('/consent', {}, async ({ page, complaints }) => {
          await page.getByRole('button', { name: 'Deny' }).click();
          await eventually(() => expect(complaints.join()).to.match(/form-action/), { description: 'a complaint about form-action' });
        });
        expect(arrivals).to.deep.equal([]);
        site.formActions = [`${app.url}/done`];
        await visit('/consent', {}, async ({ page, complaints }) => {
          await page.getByRole('button', { name: 'Deny' }).click();
          await page.waitForURL(`${app.url}/done?code=1`);
          expect(complaints).to.deep.equal([]);
        });
        expect(arrivals).to.deep.equal([undefined]);
      } finally {
        await app.close();
      }
    });
  });

  describe('attacks', () => {
    it('no page is shown in a frame, not even of its own site', async () => {
      const frame = `<!doctype html><title>x</title><iframe src="${site.url}/consent"></iframe>`;
      const thief = await startServer((_req, res) => res.writeHead(200, { 'content-type': 'text/html' }).end(frame));
      try {
        await visit(thief.url, {}, async ({ page, complaints }) => {
          await eventually(() => expect(complaints.join()).to.match(/frame-ancestors|X-Frame-Options/i), { description: 'a complaint about the frame' });
          expect(page.frames().map((one) => one.url())).to.not.include(`${site.url}/consent`);
        });
      } finally {
        await thief.close();
      }
    });

    it('a click that was meant for another page does not decide', async () => {
      site.pages.set('/device', deviceConfirmPage({ ...consentModel, userCode: 'WDJB-MJHT', scopes: askedScopes }));
      for (const path of ['/consent', '/device']) {
        await visit(path, {}, async ({ page }) => {
          // Begun anew: on a slow machine it is over by now.
          const deaf = `(() => { const settle = document.querySelector('.settle'); settle.style.animation = 'none'; settle.getAnimations(); settle.style.animation = ''; const [one] = settle.getAnimations(); const button = document.querySelector('[value=approve]'); const at = (time) => { one.currentTime = time; return getComputedStyle(button).pointerEvents; }; one.pause(); return [at(0), at(400), at(501)]; })()`;
          expect(await page.evaluate(deaf)).to.deep.equal(['none', 'none', 'auto']);
        });
      }
    });

    it('a script that got into a page all the same does not run', async () => {
      site.pages.set('/injected', signInPage(signInModel).replace('</main>', '<script>globalThis.broken = true</script><p onclick="globalThis.broken = true" style="color: red">x</p><img src="/x.png"></main>'));
      await visit('/injected', {}, async ({ page, complaints }) => {
        await page.getByText('x', { exact: true }).click();
        expect(await page.evaluate('globalThis.broken')).to.equal(undefined);
        expect(await page.evaluate(`getComputedStyle(document.querySelector('p[style]')).color`)).to.not.equal('rgb(255, 0, 0)');
        await eventually(() => expect(complaints.filter((complaint) => complaint.includes('Content Security Policy'))).to.have.length.above(3), { description: 'complaints about all of it' });
      });
      expect(site.visits.map(({ path }) => path)).to.deep.equal(['/injected']);
    });
  });
});
