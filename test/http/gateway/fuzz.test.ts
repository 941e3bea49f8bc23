import { expect } from 'chai';
import { requireOrSkip } from '../../support/availability.ts';
import { firstPartyToken } from '../../support/api.ts';
import type { TestDatabase } from '../../support/databases.ts';
import { fuzz, SCHEMATHESIS_HOOK_TIMEOUT_MS, schemathesisAvailable } from '../../support/schemathesis.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { startWholeServer, type WholeServer } from '../../support/whole-server.ts';

const sqlite: TestDatabase = { dialect: 'sqlite', createUrl: () => Promise.resolve(`sqlite:${temporaryDirectory('fuzz')}/tmcp.db`) };
const limitMs = Number(process.env.TMCP_TEST_FUZZ_LIMIT_MS ?? 90_000);

/** Bounded here; with more examples and another seed: TMCP_TEST_FUZZ_EXAMPLES, TMCP_TEST_FUZZ_SEED. */
const examples = Number(process.env.TMCP_TEST_FUZZ_EXAMPLES ?? 3);
const seed = Number(process.env.TMCP_TEST_FUZZ_SEED ?? 1);

describe('whatever is asked of whatever the document has', function () {
  this.timeout(limitMs + 30_000);
  let server: WholeServer;
  before(async function () {
    this.timeout(SCHEMATHESIS_HOOK_TIMEOUT_MS);
    requireOrSkip(this, await schemathesisAvailable());
    server = await startWholeServer(sqlite);
    server.identity.whoami.set('syt_alice', { user_id: '@alice:example.org', is_guest: false });
  });
  after(() => server?.close());

  const tokens: Record<string, () => Promise<string | undefined>> = {
    'without a token': () => Promise.resolve(undefined),
    'with a user\'s token': () => firstPartyToken(server.url, 'syt_alice', 'tmcp_p2p'),
    'with an administrator\'s': () => Promise.resolve(server.adminToken),
  };
  for (const [who, tokenOf] of Object.entries(tokens)) {
    it(`${who}: is answered as the document says, and never by a failure of ours`, async () => {
      const token = await tokenOf();
      const { held, output } = await fuzz(`${server.url}/openapi.json`, { ...(token === undefined ? {} : { token }), examples, seed, limitMs });
      expect(held, output.slice(-6000)).to.equal(true);
      expect(Number(/(\d+) generated/.exec(output)?.[1]), output.slice(-2000)).to.be.greaterThan(200);
    });
  }
});
