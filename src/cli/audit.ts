import type { RecordAudit } from '../security/audit/index.ts';

/** Who acts here: whoever may run a command on this machine; the operating system knows more. */
export const commandLine = { kind: 'command_line', id: 'tmcp' } as const;

/** Writes the audit log as the server does; the server's worker seals it. */
export async function commandLineAudit(): Promise<RecordAudit> {
  const [{ createAuditRecorder }, { createJobQueue }, { systemClock: clock }] = await Promise.all([import('../security/audit/index.ts'), import('../jobs/index.ts'), import('../kernel/clock.ts')]);
  return createAuditRecorder({ clock, queue: createJobQueue(clock) });
}
