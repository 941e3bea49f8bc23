import { answer, principalOf, type ApiRequest, type Routes } from '../http/index.ts';
import { AppError } from '../kernel/errors.ts';
import { capabilityFor, capabilityNames, featuresOf, isCapabilityName, type Asking, type Offer, type Platform } from './capabilities.ts';

const platforms: readonly unknown[] = ['ios', 'android', 'web', 'desktop'] satisfies Platform[];
const tmcpVersion = '1.9.0';

/** Specification section 10.5. */
export function capabilityRoutes(offer: Offer): Routes {
  const askingOf = (request: ApiRequest): Asking => {
    const { scopes, context } = principalOf(request, 'session');
    const named = request.query.platform ?? context?.platform;
    return { scopes, platform: platforms.includes(named) ? (named as Platform) : 'web' };
  };
  const platformBody = ({ query }: ApiRequest, { platform }: Asking): object => ({ ...(query.client_version === undefined ? {} : { client_version: query.client_version }), platform, tmcp_version: tmcpVersion });
  return {
    listCapabilities: (request) => {
      const asking = askingOf(request);
      return answer({ capabilities: Object.fromEntries(capabilityNames.map((name) => [name, capabilityFor(name, asking, offer)])), platform: platformBody(request, asking), features: featuresOf(offer) });
    },
    getCapability: (request) => {
      const name = request.path.name as string;
      if (!isCapabilityName(name)) throw new AppError('NOT_FOUND', `There is no such capability; there are ${capabilityNames.join(', ')}`);
      const asking = askingOf(request);
      return answer({ capability: name, ...capabilityFor(name, asking, offer), platform: platformBody(request, asking) });
    },
  };
}
