// Addresses of views: /ui/VIEW/REST?QUERY. The rule: what is not known leads to the first view, never to nothing.

export interface Route {
  view: string;
  /** Segments behind the view, decoded. */
  rest: string[];
  query: URLSearchParams;
}

/** Addresses that other documents know a view by. */
const ALIASES: Readonly<Record<string, string>> = { '/federated/map': '/ui/federation' };
/** Parameters that stay when the view changes: they say how the page stands on its screen. */
const LASTING = ['kiosk', 'embed', 'theme'];

export function parse(path: string, search: string, known: readonly string[]): Route {
  const [, root, view = '', ...rest] = (ALIASES[path] ?? path).split('/');
  const query = new URLSearchParams(search);
  const first = known[0] ?? '';
  if (root !== 'ui' || !known.includes(view)) return { view: first, rest: [], query };
  return { view, rest: rest.filter(Boolean).map(decode), query };
}

/** The address of a view, with what lasts of the present one's query. */
export function href(path: string, present: URLSearchParams, query: Record<string, string> = {}) {
  const next = new URLSearchParams();
  for (const name of LASTING) {
    const value = present.get(name);
    if (value !== null) next.set(name, value);
  }
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  const text = next.toString();
  return text ? `${path}?${text}` : path;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
