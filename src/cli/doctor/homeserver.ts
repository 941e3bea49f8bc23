import { failed, ok, skipped, warning, type Check, type Finding } from './check.ts';
import type { Reply } from './probe.ts';
import type { Subject } from './subject.ts';

const maxSkewMs = 5000;

type Answer = Extract<Reply, { answered: true }>;
const errcodeOf = ({ body }: Answer): string => (typeof body.errcode === 'string' ? body.errcode : 'no errcode');
const isHomeserver = (reply: Reply): boolean => reply.answered && reply.status === 200 && Array.isArray(reply.body.versions);

async function reachable({ config, probe }: Subject): Promise<Finding> {
  const { url } = config.homeserver;
  const reply = await probe.versions();
  if (!reply.answered) return failed(`${url}: ${reply.problem}`, 'start the homeserver, or set homeserver.url to where it is; events are queued until then');
  if (!isHomeserver(reply)) return failed(`${url} answered ${reply.status} and not as a homeserver does`, "set homeserver.url to the base URL of the homeserver's client-server API");
  return ok(url);
}

/** The bot's user id, when the homeserver knows our as_token. */
async function whoami({ registration, probe }: Subject): Promise<{ readonly userId: string } | { readonly finding: Finding }> {
  if (registration === undefined) return { finding: skipped('needs the registration') };
  if (!isHomeserver(await probe.versions())) return { finding: skipped('needs the homeserver') };
  const reply = await probe.whoami();
  if (!reply.answered) return { finding: failed(`whoami: ${reply.problem}`, 'see the log of the homeserver') };
  if (reply.status === 401) return { finding: failed('the homeserver does not know our as_token', "let the homeserver load this server's registration file and restart it (Synapse: app_service_config_files); it needs the file of the last \"tmcp register\"") };
  if (reply.status !== 200 || typeof reply.body.user_id !== 'string') return { finding: failed(`whoami was answered ${reply.status} ${errcodeOf(reply)}`, 'see the log of the homeserver') };
  return { userId: reply.body.user_id };
}

async function knowsUs(subject: Subject): Promise<Finding> {
  const who = await whoami(subject);
  if ('finding' in who) return who.finding;
  return ok(`as ${who.userId}`);
}

async function domain(subject: Subject): Promise<Finding> {
  const who = await whoami(subject);
  if ('finding' in who) return skipped('needs a homeserver that knows us');
  const configured = subject.config.homeserver.domain;
  const actual = who.userId.slice(who.userId.indexOf(':') + 1);
  if (actual === configured) return ok(configured);
  return failed(`homeserver.domain is ${configured}, and the homeserver is ${actual}`, `set homeserver.domain to ${actual}, and if the registration was made for ${configured}: "tmcp register --keep-tokens --domain ${actual} -u URL"`);
}

function judgePing(reply: Answer, url: string): Finding {
  const tried = `the homeserver tried ${url} (or what the copy of the registration that it loaded says)`;
  const answered = typeof reply.body.status === 'number' ? ` ${reply.body.status}` : '';
  switch (errcodeOf(reply)) {
    case 'M_CONNECTION_FAILED':
      return failed(`${tried} and could not connect`, 'make that URL reachable from the homeserver, or "tmcp register --keep-tokens -u URL" with one that is');
    case 'M_CONNECTION_TIMEOUT':
      return failed(`${tried} and got no answer in time`, 'look for a firewall or proxy between the two');
    case 'M_BAD_STATUS':
      return failed(
        `${tried} and was answered${answered}`,
        answered === ' 403' || answered === ' 401' ? 'the two have different hs_tokens: let the homeserver load this registration file and restart it' : 'something else answers at that URL, or a proxy changes the path',
      );
    case 'M_URL_NOT_SET':
      return failed('the registration that the homeserver loaded has no url', '"tmcp register --keep-tokens -u URL", and let the homeserver load it');
    default:
      return failed(`the ping was answered ${reply.status} ${errcodeOf(reply)}`, 'let the homeserver load this registration file and restart it; homeservers without MSC2659 know no ping');
  }
}

async function reachesUs(subject: Subject): Promise<Finding> {
  const { registration, probe, config } = subject;
  const who = await whoami(subject);
  if ('finding' in who || registration === undefined) return skipped('needs a homeserver that knows us');
  const url = registration.url ?? 'no url';
  const reply = await probe.ping();
  if (reply.answered && reply.status === 200) return ok(`at ${url}`);
  if (!(await probe.self()).answered) return failed(`this server does not run: nothing listens on ${config.server.host}:${config.server.port}, so the homeserver can't reach ${url}`, 'start the server first, then run this again');
  return reply.answered ? judgePing(reply, url) : failed(`ping: ${reply.problem}`, 'see the log of the homeserver');
}

async function clock({ probe }: Subject): Promise<Finding> {
  const reply = await probe.versions();
  if (!reply.answered) return skipped('needs the homeserver');
  if (reply.clockSkewMs === undefined) return skipped('the homeserver does not say what time it is');
  const seconds = Math.round(Math.abs(reply.clockSkewMs) / 1000);
  if (Math.abs(reply.clockSkewMs) <= maxSkewMs) return ok("as the homeserver's");
  return warning(`the homeserver's clock is ${seconds} s ${reply.clockSkewMs > 0 ? 'ahead' : 'behind'}`, 'let both machines keep time with NTP');
}

/** `mas` is not there unless it is configured. */
async function mas({ config, probe }: Subject): Promise<Finding> {
  if (config.mas === undefined) return ok('not configured: the homeserver proves users');
  const { issuer } = config.mas;
  const reply = await probe.get(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`);
  const mend = 'start the authentication service, or set mas.issuer exactly as its discovery document has it';
  if (!reply.answered) return failed(`${issuer}: ${reply.problem}`, mend);
  if (reply.status !== 200) return failed(`${issuer} answered ${reply.status} to discovery`, mend);
  if (reply.body.issuer !== issuer) return failed(`${issuer} calls itself ${JSON.stringify(reply.body.issuer)}`, mend);
  if (typeof reply.body.introspection_endpoint !== 'string') return failed(`${issuer} has no introspection_endpoint`, 'use a Matrix Authentication Service as mas.issuer');
  return ok(issuer);
}

/** Both directions between this server and the homeserver. */
export const homeserverChecks: readonly Check<Subject>[] = [
  { name: 'homeserver', look: reachable },
  { name: 'homeserver-knows-us', look: knowsUs },
  { name: 'homeserver-domain', look: domain },
  { name: 'homeserver-reaches-us', look: reachesUs },
  { name: 'clock', look: clock },
  { name: 'authentication-service', look: mas },
];
