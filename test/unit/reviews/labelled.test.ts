import { expect } from 'chai';
import { runChecks } from '../../../src/reviews/checks/run.ts';
import type { CheckName, CheckResult, Finding, Material } from '../../../src/reviews/checks/types.ts';
import { goodPolicy, page } from '../../support/bundles.ts';

type Files = Record<string, string>;
/** What is wrong with it: a check, the kind of finding, the file and line it is in. */
type Label = readonly [check: CheckName, type: string, file: string, line: number | undefined];

const script = (text: string): Files => ({ 'index.html': page('<script src="main.js"></script>'), 'main.js': text });
const policy = (text: string): Files => ({ 'index.html': page('', '', text) });
const without = (directive: string): string => goodPolicy.split('; ').filter((one) => !one.startsWith(directive)).join('; ');
const lock = (version: string): Files => ({ 'index.html': page(), 'package-lock.json': JSON.stringify({ lockfileVersion: 3, packages: { '': { name: 'app' }, 'node_modules/left-pad': { version } } }, null, 2) });
const advisories = [{ id: 'GHSA-test-0001', summary: 'Pads too much', affected: [{ package: { ecosystem: 'npm', name: 'left-pad' }, ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1.3.0' }] }] }] }];

const obfuscated = `var _0x3fa2=['\\x68\\x65\\x6c\\x6c\\x6f','\\x77\\x6f\\x72\\x6c\\x64','\\x6c\\x6f\\x67\\x67'];(function(_0x1b2c3d,_0x4e5f6a){var _0x7a8b9c=function(_0xabc123){while(--_0xabc123){_0x1b2c3d['push'](_0x1b2c3d['shift']());}};_0x7a8b9c(++_0x4e5f6a);}(_0x3fa2,0x1a3));console[_0x3fa2[2]](_0x3fa2[0]);`;
const minified = `!function(e,t){"use strict";function n(e){return e.map(function(e){return e*t})}var r=n([1,2,3]),o=document.querySelector("#a");o&&(o.textContent=r.join(","));for(var i=0;i<r.length;i++)console.log(r[i])}(window,2);`;
/** In pieces, so that nobody takes this file for one that holds them. */
const github = `ghp_${'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'}`;
const slack = `xoxb-${'123456789012-1234567890123-abcdefghijklmnopqrstuvwx'}`;
const webhookSecret = `whsec_${'A'.repeat(43)}=`;

const good: Record<string, Files> = {
  'a page alone': { 'index.html': page() },
  'a script and a style sheet': { ...script('export const a = 1;\n'), 'style.css': 'body { background: url(img.png); }' },
  'minified code': script(minified),
  'modules of today': script('const a = await import("./b.js");\nexport default a?.b ?? 1n;\n'),
  'links that users follow': { 'index.html': page('', '<a href="http://example.com">there</a>') },
  'namespaces of XML': { ...script('const ns = "http://www.w3.org/2000/svg";\n'), 'a.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>' },
  'a policy with a nonce': policy(goodPolicy.replace("script-src 'self'", "script-src 'self' 'nonce-abc123' 'unsafe-inline'")),
  'a policy with its own CDN': policy(goodPolicy.replace("script-src 'self'", "script-src 'self' https://cdn.example.com")),
  'a policy in two tags': { 'index.html': page('<meta http-equiv="Content-Security-Policy" content="frame-ancestors \'none\'">', '', without('frame-ancestors')) },
  'base64 of a picture': script(`const icon = "data:image/png;base64,${'iVBORw0KGgo'.repeat(10)}";\nexport { icon };\n`),
  'many languages': script('export const hello = ["สวัสดี", "你好", "Привет", "مرحبا"];\n'),
  'two pages': { 'index.html': page(), 'help/index.html': page('<title>Help</title>') },
  'names of secrets without secrets': script('const token = localStorage.getItem("token"); fetch("/api", { headers: { authorization: token } });\n'),
  'dependencies that are sound': lock('1.3.0'),
};

const bad: Record<string, [Files, Label]> = {
  'no policy': [{ 'index.html': '<!doctype html><p>hi' }, ['csp_valid', 'CSP_MISSING', 'index.html', undefined]],
  'no default-src': [policy(without('default-src')), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'everything by default': [policy(goodPolicy.replace("default-src 'self'", 'default-src *')), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'inline scripts': [policy(goodPolicy.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'")), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  eval: [policy(goodPolicy.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'scripts from anywhere': [policy(goodPolicy.replace("script-src 'self'", 'script-src https:')), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'scripts from data': [policy(goodPolicy.replace("script-src 'self'", "script-src 'self' data:")), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'connections to anywhere': [policy(goodPolicy.replace("connect-src 'self'", 'connect-src *')), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'frames of others': [policy(without('frame-ancestors')), ['csp_valid', 'CSP_TOO_WIDE', 'index.html', 3]],
  'a second page without a policy': [{ 'index.html': page(), 'other.html': '<p>' }, ['csp_valid', 'CSP_MISSING', 'other.html', undefined]],
  'a script over http': [{ 'index.html': page('<script src="http://cdn.example.com/a.js"></script>') }, ['https_only', 'INSECURE_RESOURCE', 'index.html', 4]],
  'a picture over http': [{ 'index.html': page('', '<p>\n<img src="http://cdn.example.com/a.png">') }, ['https_only', 'INSECURE_RESOURCE', 'index.html', 7]],
  'a style sheet over http': [{ 'index.html': page(), 'a.css': 'p {}\n@import "http://a.example/b.css";' }, ['https_only', 'INSECURE_RESOURCE', 'a.css', 2]],
  'a socket without encryption': [script('// a\nnew WebSocket("ws://a.example/s");\n'), ['https_only', 'INSECURE_RESOURCE', 'main.js', 2]],
  'a call over http': [script('\n\nfetch(`http://a.example/${1}`);\n'), ['https_only', 'INSECURE_RESOURCE', 'main.js', 3]],
  'a token of GitHub': [script(`const a = 1;\nconst t = "${github}";\n`), ['no_credentials', 'HARDCODED_CREDENTIAL', 'main.js', 2]],
  'a token of Slack in a page': [{ 'index.html': page('', `<!-- ${slack} -->`) }, ['no_credentials', 'HARDCODED_CREDENTIAL', 'index.html', 6]],
  'our own webhook secret': [script(`x\n\nconst s = "${webhookSecret}";\n`.replace('x', '')), ['no_credentials', 'HARDCODED_CREDENTIAL', 'main.js', 3]],
  'code that hides': [script(obfuscated), ['no_obfuscation', 'OBFUSCATED_CODE', 'main.js', 1]],
  'code that unpacks itself': [script(`eval(atob("${'YWxlcnQoMSk='.repeat(4)}"));\n`), ['no_obfuscation', 'OBFUSCATED_CODE', 'main.js', 1]],
  'code that does not parse': [script('const a = ;\n'), ['no_obfuscation', 'UNREADABLE_CODE', 'main.js', 1]],
  'a dependency with a hole': [lock('1.2.9'), ['dependencies_clean', 'VULNERABLE_DEPENDENCY', 'package-lock.json', 7]],
};

const materialOf = (files: Files, more: Partial<Material> = {}): Material => ({ files, entry: 'index.html', framing: [], skipped: [], sensitiveScopes: [], scopeJustifications: {}, advisories, ...more });
const failed = (checks: Readonly<Record<string, CheckResult>>): string[] => Object.entries(checks).flatMap(([name, result]) => (result === false ? [name] : []));

describe('the automated checks of a submission', function () {
  this.timeout(30_000);

  describe('find nothing wrong with', () => {
    for (const [what, files] of Object.entries(good)) {
      it(what, async () => {
        const { checks, warnings } = await runChecks(materialOf(files));
        expect(warnings).to.deep.equal([]);
        expect(failed(checks)).to.deep.equal([]);
      });
    }
  });

  describe('find, in one check and no other,', () => {
    for (const [what, [files, [check, type, file, line]]] of Object.entries(bad)) {
      it(what, async () => {
        const { checks, warnings } = await runChecks(materialOf(files));
        expect(failed(checks), JSON.stringify(warnings)).to.deep.equal([check]);
        const found = warnings.filter((one: Finding) => one.type === type && one.file === file);
        expect(found, JSON.stringify(warnings)).not.to.deep.equal([]);
        expect(found[0]!.line).to.equal(line);
        expect(found[0]!.fix, 'says how to mend it').to.be.a('string').and.not.equal('');
        expect(JSON.stringify(warnings), 'repeats no secret').not.to.match(new RegExp(`${github}|${slack}|${webhookSecret.slice(0, -1)}`));
      });
    }
  });

  it('say what they did not look at, and never that it is clean', async () => {
    const nothing = await runChecks(materialOf({}, { missing: 'the page answered 500' }));
    expect(nothing.checks).to.deep.equal({ csp_valid: 'not_run', https_only: 'not_run', no_credentials: 'not_run', no_obfuscation: 'not_run', dependencies_clean: 'not_run', scopes_justified: true });
    expect(nothing.not_run.csp_valid).to.equal('the page answered 500');
    const { advisories: _none, ...offline } = materialOf(lock('1.2.9'));
    expect((await runChecks(offline)).checks.dependencies_clean).to.equal('not_run');
    expect((await runChecks(materialOf({ 'index.html': page() }))).not_run).to.deep.equal({ dependencies_clean: 'there is no package-lock.json in the bundle' });
    expect((await runChecks(materialOf({ ...lock('1.0.0'), 'package-lock.json': '{' }))).checks.dependencies_clean).to.equal('not_run');
    expect((await runChecks(materialOf(script('const a = ;')))).checks.https_only, 'a script that nobody can read').to.equal('not_run');
    const large = await runChecks(materialOf({ 'index.html': page() }, { skipped: ['huge.js'] }));
    expect([large.checks.no_obfuscation, large.not_run.no_obfuscation]).to.deep.equal(['not_run', 'too large to look at: huge.js']);
  });

  it('take a policy in the header of a page that was fetched', async () => {
    const { checks } = await runChecks(materialOf({ 'index.html': '<p>' }, { policyHeader: goodPolicy }));
    expect(checks.csp_valid).to.equal(true);
  });

  it('let clients of this platform show a page in a frame, and nobody else', async () => {
    const framedBy = async (ancestors: string): Promise<CheckResult> => (await runChecks(materialOf(policy(goodPolicy.replace("frame-ancestors 'none'", `frame-ancestors ${ancestors}`)), { framing: ['https://element.example.org', 'https://app.example.org'] }))).checks.csp_valid;
    for (const good of ["'none'", 'https://element.example.org', 'https://app.example.org https://Element.example.org/']) expect(await framedBy(good), good).to.equal(true);
    for (const bad of ['', '*', "'self'", 'https:', 'https://element.example.org https://evil.example', 'https://element.example.org.evil.example']) expect(await framedBy(bad), bad).to.equal(false);
  });

  it('want a reason for each scope that users are asked for', async () => {
    const asks = (scopeJustifications: Record<string, string>) => runChecks(materialOf({ 'index.html': page() }, { sensitiveScopes: ['wallet:pay'], scopeJustifications }));
    expect((await asks({ 'wallet:pay': 'Users pay for what they order.' })).checks.scopes_justified).to.equal(true);
    const { checks, warnings } = await asks({ 'wallet:pay': 'because' });
    expect(checks.scopes_justified).to.equal(false);
    expect(warnings[0]!.fix).to.contain('"wallet:pay"');
  });
});
