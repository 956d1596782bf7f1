// The token of writing routes. The rule: it is asked for when a route wants it, and lives in this tab's memory alone.

import { ask, Problem, type Ask } from './api';

interface Wait {
  why: string;
  /** With null the person has declined. */
  settle: (token: string | null) => void;
}

class Token {
  #token: string | null = null;
  /** The question on the screen, if any. */
  waiting = $state.raw<Wait | null>(null);

  /** Sends a request that needs the token, and asks for it as often as it is refused. */
  async send(path: string, options: Ask): Promise<Response | null> {
    for (let why = ''; ;) {
      if (this.#token === null) {
        const given = await this.#question(why);
        if (given === null) return null;
        this.#token = given;
      }
      try {
        return await ask(path, { method: 'POST', ...options, token: this.#token });
      } catch (error) {
        if (!(error instanceof Problem) || error.status !== 401) throw error;
        this.#token = null;
        why = 'The server refused this token.';
      }
    }
  }

  #question(why: string): Promise<string | null> {
    this.waiting?.settle(null);
    return new Promise(resolve => {
      const settle = (token: string | null) => {
        this.waiting = null;
        resolve(token);
      };
      this.waiting = { why, settle };
    });
  }
}

export const token = new Token();
