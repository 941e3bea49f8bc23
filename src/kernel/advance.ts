import { transition, type AnyStateMachine } from 'xstate';
import { AppError } from './errors.ts';

/** The names of a machine's states, for database CHECKs, API enums and the test that they agree. */
export const stateNames = (machine: AnyStateMachine): string[] => Object.keys(machine.states);

/**
 * The state that `command` leads to, as a pure function: no actor is started. A command that the state does not handle, which
 * xstate would ignore, is refused with INVALID_STATE_TRANSITION (409); a state that the machine does not know throws.
 */
export function advance<State extends string>(machine: AnyStateMachine, state: State, command: string): State {
  if (!stateNames(machine).includes(state)) throw new Error(`${machine.id} has no state ${state}`);
  const snapshot = machine.resolveState({ value: state, context: {} });
  if (!snapshot.can({ type: command })) {
    throw new AppError('INVALID_STATE_TRANSITION', `Cannot ${command.replaceAll('_', ' ')} while ${state.replaceAll('_', ' ')}`, { details: { state, command } });
  }
  const [next] = transition(machine, snapshot, { type: command });
  return (next as { value: State }).value;
}
