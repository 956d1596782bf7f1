// A change that somebody asked for. The rule: one at a time, and a refusal is shown until the next attempt.

import { Problem, type Ask } from './api';
import { line } from './format';
import { token } from './token.svelte';

export class Act {
  busy = $state(false);
  /** Why the last one did not happen; empty when it did. */
  refusal = $state('');

  /** Whether it happened; the answer, if it did. */
  async send(path: string, options: Ask): Promise<Response | null> {
    if (this.busy) return null;
    this.busy = true;
    this.refusal = '';
    try {
      return await token.send(path, options);
    } catch (error) {
      this.refusal = error instanceof Problem ? reasons(error) : String(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}

/** The detail of a problem and what it says of single fields. */
export function reasons(problem: Problem): string {
  const { errors } = problem.members;
  const fields = (Array.isArray(errors) ? errors : []).map(
    (error: { field?: unknown; message?: unknown }) =>
      `${line(error?.field)}: ${line(error?.message)}`,
  );
  return [line(problem.message), ...fields].join(' · ');
}
