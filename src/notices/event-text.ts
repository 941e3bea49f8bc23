/** One event of the stream (WHATWG HTML, section "Server-sent events"). `data` is JSON text: without line breaks. */
export const eventText = (event: string, id: number, data: string): string => `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`;

/** Keeps proxies from closing a quiet stream, and moves what the client will come back with: an id alone is no event. */
export const heartbeatText = (id: number): string => `: \nid: ${id}\n\n`;

/** When a client whose stream broke should come again. */
export const retryText = (ms: number): string => `retry: ${ms}\n\n`;
