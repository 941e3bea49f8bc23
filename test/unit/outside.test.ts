import { expect } from 'chai';
import { usesSandboxProvider } from '../../src/outside.ts';

describe('the sandbox provider', () => {
  const uses = (provider: 'auto' | 'sandbox' | 'none', host: string, publicUrl: string, adapter: 'ledger' | 'remote' = 'ledger'): boolean =>
    usesSandboxProvider({ external: { provider }, server: { host, public_url: publicUrl }, wallet: { adapter } } as Parameters<typeof usesSandboxProvider>[0]);

  it('is there by itself only where nobody but this machine can come', () => {
    expect(uses('auto', '127.0.0.1', 'http://127.0.0.1:8627')).to.equal(true);
    expect(uses('auto', '127.0.0.1', 'https://tmcp.example.org')).to.equal(false);
    expect(uses('auto', '0.0.0.0', 'http://127.0.0.1:8627')).to.equal(false);
  });

  it('is elsewhere only by name, and can be left out', () => {
    expect(uses('sandbox', '0.0.0.0', 'https://tmcp.example.org')).to.equal(true);
    expect(uses('none', '127.0.0.1', 'http://127.0.0.1:8627')).to.equal(false);
  });

  it('is never there where a wallet service keeps the money', () => {
    expect(uses('auto', '127.0.0.1', 'http://127.0.0.1:8627', 'remote')).to.equal(false);
  });
});
