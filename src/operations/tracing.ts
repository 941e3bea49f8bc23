import { plainTracer, type Trace, type Tracer } from '../kernel/trace.ts';

export interface TracingOptions {
  /** OTLP over HTTP. Undefined: traces are passed on and kept nowhere. */
  readonly url: string | undefined;
  readonly authorization: string | undefined;
  readonly samplePercent: number;
  readonly version: string;
}

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what has not been sent yet, for a few seconds at most. */
  close(): Promise<void>;
}

const closeWithinMs = 5000;

/** The library is loaded only where traces go somewhere: an idle server does without its memory. */
export async function openTracing({ url, authorization, samplePercent, version }: TracingOptions): Promise<Tracing> {
  if (url === undefined) return { tracer: plainTracer, close: () => Promise.resolve() };
  const [{ BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider }, { OTLPTraceExporter }, api] = await Promise.all([import('@opentelemetry/sdk-trace'), import('@opentelemetry/exporter-trace-otlp-http'), import('@opentelemetry/api')]);
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } = api;
  const exporter = new OTLPTraceExporter({ url, ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }) });
  const attributes = { 'service.name': 'tmcp-server', 'service.version': version };
  const resource = { attributes, merge: () => resource, getRawAttributes: () => Object.entries(attributes) };
  const provider = new TracerProvider({ resource, sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(samplePercent / 100) }), spanProcessors: [new BatchSpanProcessor({ exporter })] });
  const spans = provider.getTracer('tmcp-server');
  const contextOf = (parent: Trace | undefined) => (parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { traceId: parent.traceId, spanId: parent.spanId, traceFlags: parent.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true }));

  return {
    tracer: {
      startSpan(name, kind, parent) {
        const span = spans.startSpan(name, { kind: kind === 'server' ? SpanKind.SERVER : SpanKind.CONSUMER }, contextOf(parent));
        const { traceId, spanId, traceFlags } = span.spanContext();
        return {
          trace: { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 },
          end({ failed, attributes: found }) {
            if (typeof found.operation === 'string') span.updateName(found.operation);
            span.setAttributes(found);
            if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
            span.end();
          },
        };
      },
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeWithinMs)));
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}
