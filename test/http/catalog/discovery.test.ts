import { expect } from 'chai';
import { call, firstPartyToken, type ApiResponse } from '../../support/api.ts';
import { onBothDatabases } from '../../support/databases.ts';
import type { WholeServer } from '../../support/whole-server.ts';
import { community, day, signIn, startPlatform } from '../developers/support.ts';

onBothDatabases('finding mini-apps', (databases) => {
  let server: WholeServer;
  const admin = (path: string, body: object): Promise<ApiResponse> => call(server.url, 'POST', path, { token: server.adminToken, body });
  const publish = async (id: string, fields: object): Promise<void> => {
    await admin('/mini-apps/v1/register', { miniapp_id: id, name: id, technical: { entry_url: 'https://a.example' }, ...fields });
    await admin(`/admin/v1/mini-apps/${id}/approve`, {});
  };
  const get = (path: string, token?: string): Promise<ApiResponse> => call(server.url, 'GET', path, token === undefined ? {} : { token });
  const ids = ({ body }: ApiResponse): string[] => (body.apps as { miniapp_id: string }[]).map((app) => app.miniapp_id);
  const search = async (text: string, more = ''): Promise<string[]> => ids(await get(`/api/v1/store/apps?sort=name&search=${encodeURIComponent(text)}${more}`));

  before(async () => {
    server = await startPlatform(databases);
    await publish('ma_cafe', { name: 'Café Zürich', category: 'food', description: 'Coffee at your table', marketing: { keywords: ['espresso', 'cold brew'], long_description: 'Order from the terrace.', languages: ['de-CH', 'en'] } });
    await publish('ma_tea', { name: 'Tea house', category: 'food', classification: 'verified', developer: { company_name: 'Camellia Ltd' }, description: 'No coffee here' });
    await publish('ma_chess', { name: 'Chess', category: 'games', description: 'The game of kings' });
    await publish('ma_lab', { name: 'Coffee laboratory', category: 'food', classification: 'beta' });
    await admin('/mini-apps/v1/register', { miniapp_id: 'ma_draft', name: 'Coffee draft', draft: true, technical: { entry_url: 'https://a.example' } });
  });
  after(() => server.close());

  it('finds words wherever they stand, without their accents, and the beginning of the last one', async () => {
    expect(await search('cafe zurich')).to.deep.equal(['ma_cafe']);
    expect(await search('ZÜRICH')).to.deep.equal(['ma_cafe']);
    expect(await search('coffee')).to.deep.equal(['ma_cafe', 'ma_tea']);
    expect(await search('cold-brew')).to.deep.equal(['ma_cafe']);
    expect(await search('terra')).to.deep.equal(['ma_cafe']);
    expect(await search('camellia')).to.deep.equal(['ma_tea']);
    expect(await search('terra coffee')).to.deep.equal([], 'only the last word may be a beginning');
    expect(await search('coffee', '&classification=beta')).to.deep.equal(['ma_lab']);
    expect(await search('coffee', '&classification=verified&category=food')).to.deep.equal(['ma_tea']);
    expect(await search('coffee', '&category=games')).to.deep.equal([]);
  });

  it('takes what people type for words, never for a language', async () => {
    for (const text of ['"', '*', 'coffee*" OR name:', 'NEAR(coffee table)', "coffee' | 'sugar", '&!|()', '\\', 'coffee:* & !sugar', '名前', '- - -']) {
      const { status, body } = await get(`/api/v1/store/apps?search=${encodeURIComponent(text)}`);
      expect(status, text).to.equal(200);
      expect(body.pagination.total, text).to.equal(0);
    }
    expect((await get('/api/v1/store/apps?search=coffee&limit=1')).body.pagination).to.include({ total: 2, has_more: true });
    expect((await get('/api/v1/store/apps?search=coffee&offset=5')).body.pagination).to.include({ total: 2, has_more: false });
  });

  it('keeps search, shelves and numbers in step with what becomes of an app', async () => {
    const games = async (): Promise<number> => ((await get('/api/v1/store/categories')).body.categories as { id: string; apps: number }[]).find(({ id }) => id === 'games')!.apps;
    const before = await games();
    await publish('ma_fleeting', { name: 'Fleeting checkers', category: 'games' });
    expect([await search('fleeting'), await games()]).to.deep.equal([['ma_fleeting'], before + 1]);
    await admin('/admin/v1/mini-apps/ma_fleeting/classify', { classification: 'beta' });
    expect([await search('fleeting'), await games()]).to.deep.equal([[], before]);
    await admin('/admin/v1/mini-apps/ma_fleeting/classify', { classification: 'verified' });
    await admin('/admin/v1/mini-apps/ma_fleeting/suspend', { reason: 'Test' });
    expect([await search('fleeting'), await games(), (await get('/api/v1/store/apps/ma_fleeting')).status]).to.deep.equal([[], before, 404]);
    await admin('/admin/v1/mini-apps/ma_fleeting/reinstate', {});
    expect([await search('fleeting'), await games()]).to.deep.equal([['ma_fleeting'], before + 1]);
    await admin('/admin/v1/mini-apps/ma_fleeting/suspend', { reason: 'Test' });
  });

  it('lists categories, those that an app brought with it too', async () => {
    await publish('ma_garden', { name: 'Garden', category: 'home_and_garden' });
    const { categories } = (await get('/api/v1/store/categories')).body as { categories: { id: string; name: string; apps: number }[] };
    expect(categories).to.deep.include({ id: 'home_and_garden', name: 'Home and garden', apps: 1 });
    expect(categories).to.deep.include({ id: 'food', name: 'Food and drink', apps: 2 });
    expect(categories).to.deep.include({ id: 'travel', name: 'Travel', apps: 0 });
  });

  it('goes on where a page ended, whatever was put in before it meanwhile', async () => {
    for (const sort of ['popular', 'recent', 'rating', 'name']) {
      const all = ids(await get(`/api/v1/store/apps?sort=${sort}&limit=100`));
      const walked: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await get(`/api/v1/store/apps?sort=${sort}&limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`);
        walked.push(...ids(page));
        cursor = page.body.next_cursor as string | undefined;
        if (walked.length === 2) await publish(`ma_aa_${sort}`, { name: `AA ${sort}`, category: 'other' });
      } while (cursor !== undefined);
      const added = `ma_aa_${sort}`;
      expect(walked.filter((id) => id !== added), sort).to.deep.equal(all);
      if (sort === 'name' || sort === 'recent') expect(walked, 'put in before the place').not.to.include(added);
    }
    const { next_cursor: cursor } = (await get('/api/v1/store/apps?sort=name&limit=1')).body as { next_cursor: string };
    for (const query of [`sort=rating&cursor=${cursor}`, 'cursor=nonsense', `sort=name&cursor=${Buffer.from('["name",1,1]').toString('base64url')}`]) {
      const { status, body } = await get(`/api/v1/store/apps?${query}`);
      expect([status, body.error?.details[0].field], query).to.deep.equal([400, 'cursor']);
    }
  });

  it('tells anybody, and lets anybody keep it for a moment; what a user is told, nobody', async () => {
    const token = await firstPartyToken(server.url, 'syt_erin', 'tmcp_store');
    for (const path of ['/api/v1/store/apps', '/api/v1/store/apps/ma_cafe', '/api/v1/store/categories', '/api/v1/store/trending', '/api/v1/store/apps/ma_cafe/ranking']) {
      const [open, mine] = [await get(path), await get(path, token)];
      expect([open.status, open.headers.get('cache-control'), open.headers.get('vary')], path).to.deep.equal([200, 'public, max-age=60', 'Authorization']);
      expect([mine.status, mine.headers.get('cache-control')], path).to.deep.equal([200, 'no-store']);
      expect((await get(path, 'tep.eyJhbGciOiJub25lIn0.e30.')).status, path).to.equal(401);
      expect((await get(path, await firstPartyToken(server.url, 'syt_erin', 'tmcp_wallet'))).status, path).to.equal(403);
      const fresh = await firstPartyToken(server.url, 'syt_grace', 'tmcp_store');
      await firstPartyToken(server.url, 'syt_grace', 'tmcp_store');
      expect((await get(path, fresh)).status, `${path}: revoked`).to.equal(401);
    }
  });

  it('shows an app that is not approved to its owners, and to nobody else', async () => {
    const dana = await signIn(server, 'dana');
    const registered = await call(server.url, 'POST', '/mini-apps/v1/register', { token: dana.access, body: { ...community, name: 'Unseen', draft: true } });
    const id = registered.body.miniapp_id as string;
    const owner = await firstPartyToken(server.url, 'syt_dana', 'tmcp_store');
    const other = await firstPartyToken(server.url, 'syt_erin', 'tmcp_store');
    const path = `/api/v1/store/apps/${id}`;
    for (const token of [undefined, other]) for (const suffix of ['', '/ranking']) expect((await get(path + suffix, token)).body.error.code).to.equal('APP_NOT_FOUND');
    expect((await get(path, owner)).body).to.include({ miniapp_id: id, installed: false });
    const post = (what: string, token: string): Promise<ApiResponse> => call(server.url, 'POST', `${path}/${what}`, { token, body: {} });
    expect([(await post('install', other)).status, (await post('launch', other)).status]).to.deep.equal([404, 404]);
    expect([(await post('install', owner)).status, (await post('launch', owner)).status]).to.deep.equal([200, 201]);
    expect((await get(path, owner)).body.installed).to.equal(true);
    expect(await search('unseen')).to.deep.equal([]);
    expect((await call(server.url, 'PUT', `${path}/rating`, { token: owner, body: { rating: 5 } })).status, 'nobody rates what is not in the store').to.equal(404);
  });

  // Last: administrators' tokens do not live through it.
  it('has a shelf of what is new', async () => {
    expect(ids(await get('/api/v1/store/apps?shelf=new'))).to.include('ma_chess').and.not.include('ma_lab');
    server.clock.advance(29 * day);
    const { token } = await server.app.admins.issue('later', day, { kind: 'system', id: 'test' });
    await call(server.url, 'POST', '/mini-apps/v1/register', { token, body: { miniapp_id: 'ma_fresh', name: 'Fresh', technical: { entry_url: 'https://a.example' } } });
    await call(server.url, 'POST', '/admin/v1/mini-apps/ma_fresh/approve', { token, body: {} });
    expect(ids(await get('/api/v1/store/apps?shelf=new'))[0]).to.equal('ma_fresh');
    server.clock.advance(2 * day);
    const shelf = await get('/api/v1/store/apps?shelf=new');
    expect(ids(shelf)).to.deep.equal(['ma_fresh']);
    expect(shelf.body.pagination).to.include({ total: 1, has_more: false });
  });
});
