// Questions to the server. The rule: every answer is a value or a Problem, and no question waits for ever.

/** Why there is no answer. */
export class Problem extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 where the server was not reached. */
    readonly status: number,
    /** The members of the problem document. */
    readonly members: Readonly<Record<string, unknown>> = {},
    /** Seconds after which it may be tried again, where the server said so. */
    readonly retryAfter = 0,
  ) {
    super(message);
  }

  /** The plugin that would have answered. */
  get plugin(): string | null {
    const plugin = this.members.plugin;
    return typeof plugin === 'string' ? plugin : null;
  }
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  token?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
  accept?: string;
}

const TIMEOUT_MS = 8000;

/** The raw answer of a path that answered with success. */
export async function ask(path: string, options: Ask = {}): Promise<Response> {
  const { method = 'GET', body, token, signal, timeoutMs = TIMEOUT_MS } = options;
  const headers: Record<string, string> = { Accept: options.accept ?? 'application/json' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  const late = AbortSignal.timeout(timeoutMs);
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(late.aborted ? 'the server did not answer in time' : 'the server is away', 0);
  }
  if (!answer.ok) throw await problem(answer);
  return answer;
}

/** The answer as JSON of the shape that the caller knows. */
export async function get<T>(path: string, options: Ask = {}): Promise<T> {
  return (await (await ask(path, options)).json()) as T;
}

async function problem(answer: Response): Promise<Problem> {
  let members: Record<string, unknown> = {};
  try {
    const document: unknown = await answer.json();
    if (typeof document === 'object' && document !== null) members = { ...document };
  } catch {
    // Something between us and the server answered; its status is all there is.
  }
  const detail = typeof members.detail === 'string' ? members.detail : answer.statusText;
  const after = Number(answer.headers.get('retry-after'));
  return new Problem(detail || `status ${answer.status}`, answer.status, members, after || 0);
}
