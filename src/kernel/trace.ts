import { AsyncLocalStorage } from 'node:async_hooks';
import { randomPublicBytes } from './ids.ts';
import { requestContext } from './request-context.ts';

/** Where in a trace something happens (W3C Trace Context, level 1). */
export interface Trace {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits: of the span that is going on. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const carried = new AsyncLocalStorage<Trace>();

/** Follows everything that a request or a job causes: a request's is in its context, which is carried along anyway. */
export const currentTrace = {
  run: <T>(trace: Trace, work: () => T): T => carried.run(trace, work),
  getStore: (): Trace | undefined => carried.getStore() ?? requestContext.getStore()?.trace,
};

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** `traceparent` as it was sent; undefined for anything that is none, which is then ignored (section 3.2.2). */
export function readTraceparent(text: unknown): Trace | undefined {
  if (typeof text !== 'string') return undefined;
  const [, version, traceId, spanId, flags, more] = form.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags!, 16) & 1) === 1 };
}

export const traceparentOf = ({ traceId, spanId, sampled }: Trace): string => `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;

/** The header for a request to somebody else; empty where nothing is traced. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const trace = currentTrace.getStore();
  return trace === undefined ? {} : { traceparent: traceparentOf(trace) };
}

/** Something that takes a while, as a part of a trace. */
export interface Span {
  readonly trace: Trace;
  end(outcome: { readonly failed: boolean; readonly attributes: Readonly<Record<string, string | number>> }): void;
}

export interface Tracer {
  startSpan(name: string, kind: 'server' | 'consumer', parent: Trace | undefined): Span;
}

/** Goes on with traces and keeps nothing. */
export const plainTracer: Tracer = {
  startSpan(_name, _kind, parent) {
    const hex = randomPublicBytes(24).toString('hex');
    return { trace: { traceId: parent?.traceId ?? hex.slice(16), spanId: hex.slice(0, 16), sampled: parent?.sampled ?? false }, end: () => undefined };
  },
};
