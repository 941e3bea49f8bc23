import { expect } from 'chai';
import { isAdminRegistered } from '../../../src/miniapps/index.ts';

/** Privileged scopes hang on this (specification section 16.7). */
describe('a mini-app is registered by an administrator', () => {
  const registrars: Record<string, boolean> = { 'admin:root': true, manifest: true, 'developer:@dana:example.org': false, '@dana:example.org': false, '': false };
  for (const [registeredBy, expected] of Object.entries(registrars)) {
    it(`${expected ? 'when' : 'but not when'} its registrar is "${registeredBy}"`, () => expect(isAdminRegistered({ registeredBy })).to.equal(expected));
  }
});
