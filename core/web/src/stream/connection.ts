// One WebSocket that is always being kept open. The rule: every event is handed on once and in order; what cannot come any
// more is handed on as a gap.

import { backoff } from './backoff';
import { isGap, isHeartbeat, type Message, type Row } from './event';

export type Link = 'connecting' | 'live' | 'stale' | 'lost';

export interface Hooks {
  /** A batch, oldest first; called at most once a frame. */
  rows: (rows: Row[]) => void;
  link: (link: Link) => void;
  /** The server's clock, in milliseconds since the epoch. */
  clock: (now: number) => void;
}

/** The server is asked for a heartbeat a second, so two missed ones are noticed within three. */
const HEARTBEAT_S = 1;
const STALE_MS = 2300;
/** A connection as silent as this is given up: a cut cable says nothing. */
const DEAD_MS = 6000;
const LOOK_MS = 250;
/** Messages kept unread before they are read without waiting for a frame: a hidden tab has none. */
const MAX_UNREAD = 4096;

export class Connection {
  #hooks: Hooks;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #unread: string[] = [];
  #frame = 0;
  #heard = 0;
  #link: Link = 'connecting';
  #looking: ReturnType<typeof setInterval>;
  #ended = new AbortController();
  /** Sequence of the newest event that was handed on. */
  last: number;

  constructor(since: number, hooks: Hooks) {
    this.last = since;
    this.#hooks = hooks;
    this.#open();
    this.#looking = setInterval(() => this.#look(), LOOK_MS);
    const { signal } = this.#ended;
    addEventListener('online', () => this.#now(), { signal });
    const shown = () => {
      if (!document.hidden) this.#now();
    };
    document.addEventListener('visibilitychange', shown, { signal });
  }

  /** Closes it for good: no hook is called any more. */
  end() {
    this.#ended.abort();
    clearInterval(this.#looking);
    clearTimeout(this.#retry);
    cancelAnimationFrame(this.#frame);
    this.#drop();
  }

  #open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const query = `since_seq=${this.last}&heartbeat=${HEARTBEAT_S}`;
    const socket = new WebSocket(`${scheme}://${location.host}/stream?${query}`);
    this.#socket = socket;
    this.#heard = performance.now();
    socket.onmessage = message => {
      if (socket !== this.#socket) return;
      this.#heard = performance.now();
      this.#attempt = 0;
      this.#unread.push(String(message.data));
      if (this.#unread.length >= MAX_UNREAD) this.#read();
      else this.#frame ||= requestAnimationFrame(() => this.#read());
      if (this.#link !== 'live') this.#say('live');
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #lost() {
    this.#read();
    this.#drop();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), backoff(this.#attempt));
    this.#attempt += 1;
    this.#say('lost');
  }

  #drop() {
    if (this.#socket) this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket?.close();
    this.#socket = null;
  }

  /** There is reason to believe that it works now. */
  #now() {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  #look() {
    if (!this.#socket) return;
    const silent = performance.now() - this.#heard;
    if (silent > DEAD_MS) this.#lost();
    else if (silent > STALE_MS && this.#link === 'live') this.#say('stale');
  }

  #say(link: Link) {
    if (link === this.#link) return;
    this.#link = link;
    this.#hooks.link(link);
  }

  #read() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const unread = this.#unread;
    this.#unread = [];
    const rows: Row[] = [];
    for (const text of unread) {
      const message = JSON.parse(text) as Message;
      if (isHeartbeat(message)) {
        this.#hooks.clock(Date.parse(message.ts));
        continue;
      }
      if (isGap(message)) {
        // A gap that begins behind us says that the server holds fewer events than we saw: we go back with it.
        const anew = message.from <= this.last;
        this.last = anew ? message.from - 1 : message.to;
        rows.push({ ...message, anew });
      } else if (message.seq > this.last) {
        this.last = message.seq;
        rows.push(message);
      }
    }
    if (rows.length > 0) this.#hooks.rows(rows);
  }
}
