import { transition, type AnyStateMachine } from 'xstate';
import { AppError } from './errors.ts';

/** The names of a machine's states, for database CHECKs, API enums and the test that they agree. */
export const stateNames = (machine: AnyStateMachine): string[] => Object.keys(machine.states);

/** What each state and command were found to lead to: the machines have no context, so that it is always the same. */
const known = new WeakMap<AnyStateMachine, Map<string, string>>();

/**
 * The state that `command` leads to, as a pure function: no actor is started. A command that the state does not handle, which
 * xstate would ignore, is refused with INVALID_STATE_TRANSITION (409); a state that the machine does not know throws.
 */
export function advance<State extends string>(machine: AnyStateMachine, state: State, command: string): State {
  const steps = known.get(machine) ?? new Map<string, string>();
  known.set(machine, steps);
  const next = steps.get(`${state} ${command}`) ?? find(machine, state, command);
  steps.set(`${state} ${command}`, next);
  return next as State;
}

function find(machine: AnyStateMachine, state: string, command: string): string {
  if (!stateNames(machine).includes(state)) throw new Error(`${machine.id} has no state ${state}`);
  const snapshot = machine.resolveState({ value: state, context: {} });
  if (!snapshot.can({ type: command })) {
    throw new AppError('INVALID_STATE_TRANSITION', `Cannot ${command.replaceAll('_', ' ')} while ${state.replaceAll('_', ' ')}`, { details: { state, command } });
  }
  const [next] = transition(machine, snapshot, { type: command });
  return (next as { value: string }).value;
}
