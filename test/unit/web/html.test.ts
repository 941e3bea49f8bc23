import { expect } from 'chai';
import { attribute, html, safeAddress, trustedMarkup } from '../../../src/web/html.ts';

describe('templates', () => {
  it('escape text for elements and for quoted attributes', () => {
    const evil = `<b a="1" c='2'>&amp;`;
    expect(html`<p title="${evil}">${evil}</p>`.toString()).to.equal(
      '<p title="&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;">&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;amp;</p>',
    );
    expect(html`${'\u0000\u001b\ud800'}`.toString()).to.equal('\ufffd\ufffd\ufffd');
  });

  it('nest, take lists and numbers, and leave out what is absent', () => {
    expect(html`<ul>${['<', 1].map((item) => html`<li>${item}</li>`)}${undefined}${false}</ul>`.toString()).to.equal('<ul><li>&lt;</li><li>1</li></ul>');
    expect(html`${0}`.toString()).to.equal('0');
    expect(html`${trustedMarkup('<hr>')}`.toString()).to.equal('<hr>');
  });

  it('take attributes in a tag, and nothing else there', () => {
    expect(html`<input${attribute('value', '">')}${attribute('checked', true)}${attribute('disabled', false)}${attribute('name', undefined)}>`.toString()).to.equal('<input value="&quot;&gt;" checked>');
    const evil = 'onclick=x';
    for (const inTag of [() => html`<a ${evil}>x</a>`, () => html`<a ${html`${evil}`}>x</a>`, () => html`<a ${undefined}>x</a>`]) expect(inTag).to.throw(TypeError, 'A tag takes attributes only');
    expect(() => html`<p>${attribute('value', 'x')}</p>`).to.throw(TypeError, 'in a tag only');
    expect(() => html`<p class="${html`<i>x</i>`}">x</p>`).to.throw(TypeError, 'text only');
    expect(() => html`<p class="${undefined}">x</p>`).to.throw(TypeError, 'text only');
  });

  it('refuse values where nothing makes them safe', () => {
    const value = attribute('id', 'x');
    expect(() => html`<a href=${value}>x</a>`).to.throw(TypeError, 'outside of quotes');
    expect(() => html`<${value}>x`).to.throw(TypeError, 'outside of quotes');
    expect(() => html`<a href='${'x'}'>x</a>`).to.throw(TypeError, 'quotes attributes');
    expect(() => html`<!-- ${'x'} -->`).to.throw(TypeError, 'no comments');
    expect(() => html`<script>${'x'}</script>`).to.throw(TypeError, 'no comments, scripts');
    expect(() => html`<STYLE>${'x'}</STYLE>`).to.throw(TypeError, 'no comments, scripts');
    expect(() => html`<p ${value}`).to.throw(TypeError, 'ends inside');
  });

  it('have no attribute that runs or styles', () => {
    for (const name of ['onclick', 'style', 'a b', 'a"', 'X', '']) expect(() => attribute(name, 'x'), name).to.throw(TypeError);
  });
});

describe('an address', () => {
  it('is a path of this server, or http(s)', () => {
    for (const good of ['/', '/oauth2/interaction/a-b?x=1&y=%20#z', 'https://id.example.org/x', 'http://127.0.0.1:8008/_matrix']) expect(safeAddress(good)).to.equal(good);
  });

  it('is nothing else', () => {
    const bad = ['', 'x', '//evil.example', '/\\evil.example', '/\t/evil.example', '\\\\evil.example', 'javascript:alert(1)', 'JAVASCRIPT:alert(1)', ' javascript:alert(1)', 'java\nscript:alert(1)'];
    const worse = ['data:text/html,x', 'vbscript:x', 'blob:https://x/y', 'file:///etc/passwd', 'https:evil.example', 'https://', 'https://a b/', '/a b', '#x', '?x', 'ftp://x/'];
    for (const address of [...bad, ...worse]) expect(() => safeAddress(address), JSON.stringify(address)).to.throw(TypeError);
  });
});
