import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { pageHeaders } from '../../../src/web/pages.ts';
import { samples } from '../../support/page-models.ts';
import { attributeOf, elementsOf, textOf } from './markup.ts';

const policyOf = (formActions: string[] = []): Record<string, string> =>
  Object.fromEntries(pageHeaders({ formActions })['content-security-policy']!.split('; ').map((directive) => [directive.split(' ')[0]!, directive.split(' ').slice(1).join(' ')]));

describe('the headers of a page', () => {
  it('allow one style and nothing else', () => {
    const { 'style-src': style, ...others } = policyOf();
    expect(others).to.deep.equal({ 'default-src': "'none'", 'img-src': 'data:', 'form-action': "'self'", 'frame-ancestors': "'none'", 'base-uri': "'none'" });
    expect(style).to.match(/^'sha256-[A-Za-z0-9+/]{43}='$/);
  });

  for (const [title, { model, show }] of Object.entries(samples)) {
    it(`name the only style of the page "${title}", which has no script and no address elsewhere`, () => {
      const page = show(model);
      const styles = elementsOf(page, 'style');
      expect(styles).to.have.length(1);
      expect(policyOf()['style-src']).to.equal(`'sha256-${createHash('sha256').update(textOf(styles[0]!)).digest('base64')}'`);
      const elements = elementsOf(page);
      expect(elements.filter(({ tagName }) => ['script', 'iframe', 'object', 'embed', 'base'].includes(tagName))).to.deep.equal([]);
      const loaded = elements.flatMap((element) => [attributeOf(element, 'src'), element.tagName === 'link' ? attributeOf(element, 'href') : undefined]).filter((address) => address !== undefined);
      expect(loaded.filter((address) => !address.startsWith('data:image/'))).to.deep.equal([]);
      expect(elements.filter((element) => attributeOf(element, 'style') !== undefined)).to.deep.equal([]);
    });
  }

  it('keep pages out of frames, caches and other windows', () => {
    const headers = pageHeaders({ formActions: [] });
    expect(headers).to.include({
      'content-type': 'text/html; charset=utf-8',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(headers['permissions-policy']).to.include('payment=()').and.to.include('camera=()');
  });

  it('let forms lead to the origins that are given, each once', () => {
    const cases: Record<string, string> = {
      'https://shop.example/done?x=1': 'https://shop.example',
      'https://shop.example:8443': 'https://shop.example:8443',
      'http://127.0.0.1:4711/cb': 'http://127.0.0.1:4711',
      'http://[::1]:4711/cb': 'http:',
      'https://münchen.example/': 'https://xn--mnchen-3ya.example',
      'com.example.shop:/done': 'com.example.shop:',
      'https:': 'https:',
    };
    for (const [target, source] of Object.entries(cases)) expect(policyOf([target])['form-action'], target).to.equal(`'self' ${source}`);
    expect(policyOf(['https://a.example/1', 'https://a.example/2', 'https://b.example'])['form-action']).to.equal("'self' https://a.example https://b.example");
  });

  it('refuse what would widen or break the policy', () => {
    for (const target of ['', '*', 'https://*.example', "'unsafe-inline'", 'javascript:alert(1)', 'javascript:', 'data:text/html,x', 'data:', 'shop.example', "https://a.example; script-src 'unsafe-inline'", 'https://a.example\r\nset-cookie: a=b']) {
      let policy = '';
      try {
        policy = pageHeaders({ formActions: [target] })['content-security-policy']!;
      } catch (error) {
        expect(error, target).to.be.instanceOf(TypeError);
        continue;
      }
      expect.fail(`${JSON.stringify(target)} gave ${policy}`);
    }
  });
});
