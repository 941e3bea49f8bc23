import { expect } from 'chai';
import { colourOf, initials, name, plain, time } from '../../../src/web/text.ts';
import { describeUserAgent } from '../../../src/web/user-agent.ts';

describe('names on pages', () => {
  it('are one line without marks that turn its direction', () => {
    expect(plain(' a\r\n\u2028b \u202egnp.exe\u202c\u2066\u2069\u200e ')).to.equal('a b gnp.exe');
  });

  it('are cut between characters as a reader sees them', () => {
    expect(plain('abcdef', 4)).to.equal('abc…');
    expect(plain('abcd', 4)).to.equal('abcd');
    expect(plain('👨‍👩‍👧‍👦'.repeat(5), 3)).to.equal('👨‍👩‍👧‍👦👨‍👩‍👧‍👦…');
    expect(plain(`Z${'\u0335'.repeat(5000)}bc`, 80).length).to.be.below(20);
  });

  it('are kept apart from the words around them, and never empty', () => {
    expect(name('<b>').toString()).to.equal('<bdi>&lt;b&gt;</bdi>');
    expect(name('\u202e ').toString()).to.equal('<bdi>(no name)</bdi>');
  });

  it('give initials', () => {
    const expected = { 'Corner Shop': 'CS', alice: 'A', 'bob.builder_x': 'BB', 'été à': 'ÉÀ', '中文 名': '中名', '!? <x>': 'X', '': '?', '🎁': '?' };
    for (const [text, letters] of Object.entries(expected)) expect(initials(text), text).to.equal(letters);
  });

  it('always have the same colour', () => {
    expect(new Set(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((text) => colourOf(text))).size).to.be.above(3);
    expect(colourOf('Corner Shop')).to.equal(colourOf('Corner Shop')).and.to.be.within(0, 5);
  });
});

describe('a time on a page', () => {
  it('is said in UTC, and read by machines', () => {
    expect(time(Date.UTC(2026, 10, 23, 21, 40)).toString()).to.equal('<time datetime="2026-11-23T21:40:00.000Z">23 November 2026 at 21:40 UTC</time>');
    for (const impossible of [NaN, Infinity, 9e15]) expect(time(impossible).toString()).to.equal('an unknown time');
  });
});

describe('a browser', () => {
  const cases: Record<string, string> = {
    'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0': 'Firefox on Linux',
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile/15E148 Safari/604.1': 'Safari on iPhone',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36': 'Chrome on macOS',
    'Mozilla/5.0 (Linux; Android 16; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36': 'Chrome on Android',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0': 'Edge on Windows',
    'curl/8.0': 'Unknown browser',
    '': 'Unknown browser',
    '<script>': 'Unknown browser',
  };
  it('is named for those who know their own', () => {
    for (const [userAgent, words] of Object.entries(cases)) expect(describeUserAgent(userAgent), userAgent).to.equal(words);
    expect(describeUserAgent(undefined)).to.equal('Unknown browser');
  });
});
