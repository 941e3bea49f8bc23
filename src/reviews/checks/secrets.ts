import { lintSource } from '@secretlint/core';
import { creator } from '@secretlint/secretlint-rule-preset-recommend';
import { verdictOf, type Finding, type Material, type Outcome } from './types.ts';

const rules = [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator, options: {} }];
/** What our own server gives out. */
const ours = /\b(whsec_[A-Za-z0-9+/]{43}=|secret_[A-Za-z0-9_-]{43}|adm_[A-Za-z0-9_-]{20,}|rt_dev_[A-Za-z0-9_-]{20,})/g;

const found = (file: string, line: number, message: string): Finding => ({ type: 'HARDCODED_CREDENTIAL', file, line, severity: 'critical', message, fix: 'Revoke it, and keep its successor on your own server' });

/** Findings never repeat what they found. */
export async function checkSecrets({ files }: Material): Promise<Outcome> {
  const findings: Finding[] = [];
  for (const [file, content] of Object.entries(files)) {
    const { messages } = await lintSource({ source: { filePath: file, content, ext: `.${file.split('.').at(-1)}`, contentType: 'text' }, options: { config: { rules }, locale: 'en', maskSecrets: true, noPhysicFilePath: true } });
    for (const { message, loc } of messages) findings.push(found(file, loc.start.line, message.slice(0, 200)));
    content.split('\n').forEach((line, index) => {
      if (line.search(ours) >= 0) findings.push(found(file, index + 1, 'found a secret of the mini-app platform'));
    });
  }
  return verdictOf(findings);
}
