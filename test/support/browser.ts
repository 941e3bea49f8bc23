import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { atEnd } from './shutdown.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

function findChromium(): string | undefined {
  const chosen = process.env.TMCP_TEST_CHROMIUM;
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin'].filter((folder) => folder !== '');
  const candidates = chosen ? [chosen] : names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find(isProgram);
}

/** Says why there is no Chromium; undefined when there is one. */
export async function chromiumAvailable(): Promise<string | undefined> {
  if (findChromium()) return undefined;
  const chosen = process.env.TMCP_TEST_CHROMIUM;
  return chosen ? `TMCP_TEST_CHROMIUM is no program: ${chosen}` : `Chromium is not installed: none of ${names.join(', ')} on PATH, and TMCP_TEST_CHROMIUM is not set`;
}

let shared: Promise<Browser> | undefined;

/** The browser that suites of this process share, each test in a context of its own. It is closed at the end of the run. */
export function sharedBrowser(): Promise<Browser> {
  shared ??= launch();
  return shared;
}

async function launch(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error((await chromiumAvailable()) ?? 'Chromium is gone');
  const browser = await chromium.launch({ executablePath, args: quiet });
  atEnd(() => browser.close());
  return browser;
}
