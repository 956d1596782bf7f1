// The DAO's documents and what follows from them. The rule: nothing here draws or asks; the plugin decides, this only
// says what it has decided and what comes next.

import { looks, sentence } from '../../ui/cell';
import type { Field, Values } from '../../ui/Form.svelte';

export type State =
  'pending' | 'active' | 'succeeded' | 'defeated' | 'queued' | 'executed' | 'expired' | 'canceled';

export interface Member {
  key: string;
  name: string;
  stake: number;
  joined: string;
  revoked: string | null;
}
export interface Source {
  id: string;
  weight: number;
  share: number;
  avg: number | null;
  events: number;
}
export interface Weights {
  version: number;
  effective_at: string;
  weights: Record<string, number>;
  hash: string;
  weighted_avg?: number | null;
}
export interface Proposal {
  id: string;
  title: string;
  source: string;
  options: number[];
  strategy: string;
  delay_s: number;
  period_s: number;
  quorum: number;
  timelock_s: number;
  extension_s: number;
  grace_s: number;
  state: State;
  created_at: string;
  starts_at: string;
  ends_at: string;
  eta: string | null;
  total_power: number;
  votes: number;
  for: number;
  against: number;
  abstain: number;
  tallies: number[];
  winner: number | null;
  quorum_reached: boolean;
  conviction?: number;
}
export interface Entry {
  n: number;
  at: string;
  type: string;
  data: unknown;
  prev: string;
  hash: string;
}
export interface Audit {
  entries: Entry[];
  /** Entries of the whole log. */
  count: number;
  head: string;
}

export const look = looks({
  pending: ['idle', '◌'],
  active: ['warn', '◉'],
  succeeded: ['good', '✔'],
  defeated: ['bad', '✖'],
  queued: ['warn', '◷'],
  executed: ['good', '✔'],
  expired: ['bad', '⌛'],
  canceled: ['idle', '⊘'],
});

export interface Step {
  icon: string;
  word: string;
  place: 'done' | 'now' | 'ahead';
}

/** The way of a proposal through its states: as it went, then as it would go on. */
export function steps(state: State): Step[] {
  const way: State[] = ['pending', 'active', 'succeeded', 'queued', 'executed'];
  // Where it was canceled is not told; it had been made, at least.
  const ends: Partial<Record<State, State[]>> = {
    canceled: ['pending', 'canceled'],
    defeated: ['pending', 'active', 'defeated'],
    expired: [...way.slice(0, 4), 'expired'],
  };
  const path = ends[state] ?? way;
  const at = path.indexOf(state);
  return path.map((one, i) => {
    const place = i < at ? 'done' : i === at ? 'now' : 'ahead';
    const icon = { done: '✓', now: look(one).icon, ahead: '○' }[place];
    return { icon, word: sentence(one), place };
  });
}

/**
 * What comes next and when, in milliseconds since the epoch. Null where nothing does, and where it should have come by
 * this clock: then the DAO's own is another one.
 */
export function next(proposal: Proposal, now: number): { what: string; at: number } | null {
  const ahead = (what: string, at: number) => (at > now ? { what, at } : null);
  const eta = Date.parse(proposal.eta ?? '');
  switch (proposal.state) {
    case 'pending':
      return ahead('Voting begins', Date.parse(proposal.starts_at));
    case 'active':
      return ahead('Voting ends', Date.parse(proposal.ends_at));
    case 'queued':
      return ahead('Can be executed', eta) ?? ahead('Expires', eta + 1000 * proposal.grace_s);
    default:
      return null;
  }
}

export type Verb = 'queue' | 'execute' | 'cancel';

/** What an operator can do to a proposal now. */
export function verbs(proposal: Proposal, now: number): Verb[] {
  const { state } = proposal;
  const all: Verb[] = [];
  if (state === 'succeeded') all.push('queue');
  if (state === 'queued' && now >= Date.parse(proposal.eta ?? '')) all.push('execute');
  if (['pending', 'active', 'succeeded', 'queued'].includes(state)) all.push('cancel');
  return all;
}

export interface Tally {
  label: string;
  power: number;
  wins: boolean;
}

/** Who is ahead: for, against and abstain, or the options. */
export function tallies(proposal: Proposal): Tally[] {
  const abstain = { label: 'abstain', power: proposal.abstain, wins: false };
  if (proposal.options.length > 1)
    return [
      ...proposal.options.map((weight, i) => ({
        label: `weight ${weight}`,
        power: proposal.tallies[i] ?? 0,
        wins: proposal.winner === i,
      })),
      abstain,
    ];
  const ahead = proposal.for > proposal.against;
  return [
    { label: 'for', power: proposal.for, wins: ahead },
    { label: 'against', power: proposal.against, wins: false },
    abstain,
  ];
}

/** The share of all power that counts to the quorum: of a choice all votes, of a question not those against. */
export function turnout(proposal: Proposal): number {
  const counted = tallies(proposal).filter(tally => tally.label !== 'against');
  const power = counted.reduce((sum, tally) => sum + tally.power, 0);
  return proposal.total_power > 0 ? power / proposal.total_power : 0;
}

/** Weights as somebody writes them, `0.2, 0.5`; null when one is not in 0..=1. */
export function weightsOf(text: string): number[] | null {
  const weights = text.split(',').map(part => (part.trim() === '' ? NaN : Number(part)));
  return weights.length <= 64 && weights.every(weight => weight >= 0 && weight <= 1)
    ? weights
    : null;
}

/** One word of a command line, whatever is in it. */
export const shellWord = (text: string): string =>
  /^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** Entries of a page of the log, counted from the newest: the first and how many. */
export function entriesOf(count: number, page: number, size: number) {
  const end = Math.max(0, count - page * size);
  const since = Math.max(0, end - size);
  return { since, limit: end - since };
}

const conviction = (values: Values) => values.strategy === 'conviction';
const SECONDS: readonly (readonly [string, string, number])[] = [
  ['delay_s', 'Delay, s', 3600],
  ['period_s', 'Period, s', 86_400],
  ['timelock_s', 'Timelock, s', 86_400],
  ['extension_s', 'Extension, s', 3600],
  ['grace_s', 'Grace, s', 604_800],
];
/** What a new proposal is asked for. */
export const FIELDS: readonly Field[] = [
  { name: 'title', label: 'Title', value: '', max: 200 },
  { name: 'source', label: 'Source', value: '', max: 128 },
  {
    name: 'options',
    label: 'Weight, or several',
    value: '1',
    check: text => (weightsOf(text) ? '' : 'Weights from 0 to 1, commas between: 0.2, 0.5'),
  },
  {
    name: 'strategy',
    label: 'Strategy',
    value: 'stake',
    choices: ['member', 'stake', 'quadratic', 'conviction'],
  },
  { name: 'quorum', label: 'Quorum, 0 to 1', value: 0.2, max: 1 },
  ...SECONDS.map(([name, label, value]) => ({ name, label, value })),
  { name: 'alpha', label: 'Alpha, 0 to 1', value: 0.9, max: 1, when: conviction },
  { name: 'step_s', label: 'Step, s', value: 3600, when: conviction },
];
/** The body that a filled form becomes: without what only conviction has, where it is not chosen. */
export const proposed = (values: Values) => ({
  ...Object.fromEntries(
    FIELDS.filter(({ when }) => when?.(values) ?? true).map(({ name }) => [name, values[name]]),
  ),
  options: weightsOf(String(values.options)),
});
