import { answer, TextStream, type ApiAnswer, type Routes } from '../http/index.ts';
import { equalSecrets } from '../kernel/ids.ts';
import { donePage, errorPage, pageHeaders } from '../web/pages.ts';

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

const page = (document: string, status: number): ApiAnswer => answer(new TextStream('text/html', once(document)), status, pageHeaders({ formActions: [] }));

/**
 * Where the address in `m.tween.account.activate` leads (specification section 6.3.10) in a browser: it says what to do. Activating
 * takes the user's own client, because it takes their access token and their factors; this page can do nothing and shows nothing of the wallet.
 */
export const activationPage = (markOf: (walletId: string) => string): Routes => ({
  showActivation: ({ query }) => {
    const { wallet = '', mark = '' } = query as { wallet?: string; mark?: string };
    if (!equalSecrets(mark, markOf(wallet))) return page(errorPage({ title: 'This address is not complete', message: 'Open it from the message again, or open the wallet in your chat app.' }), 400);
    return page(donePage({ title: 'Money is waiting for you', message: 'Open your chat app, go to the wallet, accept its terms and choose a PIN. The money is yours to use then; until it is activated, your wallet receives and cannot send.' }), 200);
  },
});
