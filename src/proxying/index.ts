export { createProxying, type Proxying } from './proxying.ts';
