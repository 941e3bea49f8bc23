import { expect } from 'chai';
import fc from 'fast-check';
import { scopeDefinitions } from '../../../src/oauth/scopes.ts';
import { consentPage, scopeWords, signInPage } from '../../../src/web/pages.ts';
import { consentModel, hostileStrings, replaceStrings, samples, signInModel } from '../../support/page-models.ts';
import { attributeOf, complaintsOf, elementsOf, notIsolated, skeletonOf, textOf } from './markup.ts';

const anyString: fc.Arbitrary<string> = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...hostileStrings), fc.array(fc.constantFrom('<', '>', '"', "'", '&', '=', '/', ' ', 'script', 'a', '!--', '`', '\u202e', '\n'), { maxLength: 12 }).map((parts) => parts.join('')));

for (const [title, { model, show }] of Object.entries(samples)) {
  describe(`the page "${title}"`, () => {
    const page = show(model);

    it('is a valid document in English, with one headline, landmarks and a viewport', () => {
      expect(complaintsOf(page)).to.deep.equal([]);
      expect(attributeOf(elementsOf(page, 'html')[0]!, 'lang')).to.equal('en');
      expect(elementsOf(page, 'h1')).to.have.length(1);
      expect(elementsOf(page, 'main')).to.have.length(1);
      expect(elementsOf(page, 'title').map((element) => textOf(element).trim())[0]).to.not.equal('');
      expect(elementsOf(page, 'meta').map((element) => attributeOf(element, 'name'))).to.include('viewport');
    });

    it('has unique ids, and refers to those that are there', () => {
      const elements = elementsOf(page);
      const ids = elements.flatMap((element) => attributeOf(element, 'id') ?? []);
      expect(new Set(ids).size).to.equal(ids.length);
      const references = elements.flatMap((element) => ['for', 'aria-describedby', 'aria-labelledby'].flatMap((name) => attributeOf(element, name)?.split(' ') ?? []));
      expect(references.filter((id) => !ids.includes(id))).to.deep.equal([]);
    });

    it('posts every form to the given address with the CSRF token', () => {
      for (const form of elementsOf(page, 'form')) expect([attributeOf(form, 'method'), attributeOf(form, 'action')]).to.deep.equal(['post', '/posted']);
      const tokens = elementsOf(page, 'input').filter((input) => attributeOf(input, 'name') === 'csrf_token').map((input) => attributeOf(input, 'value'));
      expect(tokens).to.deep.equal(elementsOf(page, 'form').map(() => 'csrf-1'));
    });

    it('keeps its elements and attributes whatever its strings are', () => {
      const expected = skeletonOf(show(replaceStrings(model, () => 'x')));
      fc.assert(
        fc.property(fc.infiniteStream(anyString), (strings: fc.Stream<string>) => {
          expect(skeletonOf(show(replaceStrings(model, () => strings.next().value as string)))).to.deep.equal(expected);
        }),
        { numRuns: 150 },
      );
      for (const hostile of hostileStrings) expect(skeletonOf(show(replaceStrings(model, () => hostile))), hostile).to.deep.equal(expected);
    });

    it('isolates what others have named, and shows no mark that turns its direction', () => {
      expect(notIsolated(show(replaceStrings(model, () => 'QQQ')), 'QQQ')).to.deep.equal([]);
      const shown = show(replaceStrings(model, () => 'a\u202eb\u2066c\u2069\u200f'));
      for (const element of elementsOf(shown, 'html')) expect(textOf(element)).to.not.match(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/);
    });

    it('stays small when its strings are huge', () => {
      const shown = elementsOf(show(replaceStrings(model, () => 'W'.repeat(100_000))), 'main').map(textOf).join('');
      expect(shown.length).to.be.below(6000);
    });
  });
}

describe('the consent page', () => {
  const inputs = (model = consentModel): (string | undefined)[][] => elementsOf(consentPage(model), 'input').filter((input) => attributeOf(input, 'name') === 'scope').map((input) => [attributeOf(input, 'value'), attributeOf(input, 'checked')]);

  it('has a box for each optional scope, ticked unless it is critical', () => {
    expect(inputs()).to.deep.equal([['wallet:balance', ''], ['webhook:send', ''], ['wallet:pay', undefined]]);
    expect(inputs({ ...consentModel, scopes: consentModel.scopes.map((asked) => ({ ...asked, required: false, ticked: asked.scope === 'wallet:pay' })) })).to.deep.equal([
      ['user:read', undefined], ['wallet:balance', undefined], ['webhook:send', undefined], ['wallet:pay', ''],
    ]);
  });

  it('says how sensitive each scope is in words', () => {
    const chips = elementsOf(consentPage(consentModel), 'span').filter((element) => attributeOf(element, 'class')?.startsWith('chip'));
    expect(chips.map(textOf)).to.deep.equal(['Low sensitivity', 'High sensitivity', 'Medium sensitivity', 'Critical']);
  });

  it('says whether the app is official, verified or neither', () => {
    const main = (official: boolean, verified: boolean): string => textOf(elementsOf(consentPage({ ...consentModel, app: { name: 'App', official, verified } }), 'main')[0]!);
    expect(main(true, true)).to.include('Official app').and.not.include('Verified');
    expect(main(false, true)).to.include('Verified').and.not.include('Official');
    expect(main(false, false)).to.include('Not verified').and.include('Nobody has checked');
  });

  it('shows an icon only when it comes with the page', () => {
    const images = (iconUrl: string): number => elementsOf(consentPage({ ...consentModel, app: { ...consentModel.app, iconUrl } }), 'img').length;
    expect(images('data:image/png;base64,iVBORw0KGgo=')).to.equal(1);
    for (const url of ['https://icons.example/a.png', '/icon.png', 'javascript:x', 'data:text/html;base64,PGI+', 'data:image/svg+xml,<svg/>', 'data:image/png;base64,"><script>', '']) expect(images(url), url).to.equal(0);
  });

  it('names an unknown scope as it is', () => {
    const text = textOf(elementsOf(consentPage({ ...consentModel, scopes: [{ scope: 'x:new', description: 'Do something new', sensitivity: 'high', required: false }] }), 'main')[0]!);
    expect(text).to.include('Do something new').and.include('x:new');
  });
});

describe('links and forms', () => {
  it('refuse addresses that could run something', () => {
    for (const address of ['javascript:alert(1)', '//evil.example/', 'data:text/html,x']) {
      expect(() => consentPage({ ...consentModel, action: address })).to.throw(TypeError);
      expect(() => consentPage({ ...consentModel, signOutHref: address })).to.throw(TypeError);
      expect(() => signInPage({ ...signInModel, methods: [{ kind: 'redirect', label: 'x', href: address }] })).to.throw(TypeError);
    }
  });
});

describe('the words for scopes', () => {
  it('are there for every scope, and the same that native clients get', () => {
    const titles = Object.fromEntries(Object.entries(scopeWords).map(([scope, { title }]) => [scope, title]));
    expect(titles).to.deep.equal(Object.fromEntries(Object.entries(scopeDefinitions).map(([scope, { description }]) => [scope, description])));
  });

  it('are one whole sentence or two', () => {
    for (const { title, sentence } of Object.values(scopeWords)) {
      expect(title).to.match(/^[A-Z].*[a-z]$/);
      expect(sentence).to.match(/^(It|Its) .*\.$/);
      expect(sentence.length).to.be.below(130);
    }
  });
});
