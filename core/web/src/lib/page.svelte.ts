// Where the page is, as a reactive value, and how it goes elsewhere.

import { href, parse, type Route } from './route';

class Page {
  #known: readonly string[] = [];
  #place = $state.raw({ path: location.pathname, search: location.search });
  readonly route: Route = $derived(parse(this.#place.path, this.#place.search, this.#known));

  /** Begins with the ids of the views; the first is home. */
  start(known: readonly string[]) {
    this.#known = known;
    this.#read();
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', event => this.#click(event));
  }

  /** An address that keeps what lasts of the query. */
  link(path: string, query: Record<string, string> = {}): string {
    return href(path, this.route.query, query);
  }

  /** Opens an address of this page. */
  go(to: string) {
    history.pushState(null, '', to);
    this.#read();
    scrollTo(0, 0);
  }

  /** Opens an address in place of the present one: nobody wants to go back through a tour. */
  replace(to: string) {
    history.replaceState(null, '', to);
    this.#read();
  }

  /** Changes parameters of the present address without a new entry in the history; '' removes one. */
  set(changes: Record<string, string>) {
    const query = new URLSearchParams(this.route.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    const text = query.toString();
    this.replace(text ? `${location.pathname}?${text}` : location.pathname);
  }

  #read() {
    this.#place = { path: location.pathname, search: location.search };
  }

  #click(event: MouseEvent) {
    const plain =
      event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    const anchor = event.target instanceof Element ? event.target.closest('a') : null;
    if (
      !plain ||
      event.defaultPrevented ||
      !anchor ||
      anchor.target ||
      anchor.hasAttribute('download')
    )
      return;
    if (anchor.origin !== location.origin || !anchor.pathname.startsWith('/ui/')) return;
    event.preventDefault();
    this.go(anchor.pathname + anchor.search);
  }
}

export const page = new Page();
