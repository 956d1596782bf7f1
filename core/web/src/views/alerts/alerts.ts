// Alerts as the anomaly plugin tells them, and what a person wants of them. The rule: nothing here draws or asks.

import { looks } from '../../ui/cell';

export const STATES = ['firing', 'pending', 'silenced', 'inhibited', 'resolved'] as const;
export type State = (typeof STATES)[number];
export const SEVERITIES = ['critical', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Alert {
  id: string;
  type: string;
  severity: Severity;
  subject: string;
  description: string;
  score: number;
  timestamp: string;
  recommended_actions: string[];
  resolved: boolean;
  resolution_time: string | null;
  state: State;
  fingerprint: string;
  labels: Record<string, string>;
  expected: { low: number | null; high: number | null } | null;
  value: number;
  method: string;
  starts_at: string;
  acked_by: string | null;
  reduced_sensitivity: boolean;
  runbook_url: string;
}
export interface Alerts {
  alerts: Alert[];
  counts: Partial<Record<State, number>>;
}
export interface Matcher {
  name: string;
  op: '=' | '!=' | '=~' | '!~';
  value: string;
}
export interface Silence {
  id: string;
  matchers: Matcher[];
  author: string;
  comment: string;
  starts_at: string;
  ends_at: string;
}
export interface Correlation {
  id: string;
  alerts: string[];
  root_cause: string;
  confidence: number;
  reason: string;
  starts_at: string;
  ends_at: string;
}

export const look = looks({
  critical: ['bad', '✖'],
  warning: ['warn', '▲'],
  info: ['idle', '●'],
  firing: ['bad', '◉'],
  pending: ['warn', '◌'],
  silenced: ['idle', '⊘'],
  inhibited: ['idle', '⊖'],
  resolved: ['good', '✔'],
});

/** The kind of the series that the alert is about. */
export const kindOf = (alert: Alert): string => alert.labels?.kind ?? alert.type;

export interface Filter {
  state: string;
  severity: string;
  kind: string;
  subject: string;
}

/** Those that pass, the most pressing first: by state, by severity, then the newest. */
export function chosen(alerts: readonly Alert[], filter: Filter): Alert[] {
  const is = (wanted: string, given: string) => !wanted || wanted === given;
  const rank = (words: readonly string[], word: string) =>
    words.includes(word) ? words.indexOf(word) : words.length;
  return alerts
    .filter(
      alert =>
        is(filter.state, alert.state) &&
        is(filter.severity, alert.severity) &&
        is(filter.kind, kindOf(alert)) &&
        is(filter.subject, alert.subject),
    )
    .sort(
      (a, b) =>
        rank(STATES, a.state) - rank(STATES, b.state) ||
        rank(SEVERITIES, a.severity) - rank(SEVERITIES, b.severity) ||
        Date.parse(b.starts_at) - Date.parse(a.starts_at),
    );
}

/** What is said when alerts fire that did not fire before; empty when none does. */
export function news(before: readonly Alert[], now: readonly Alert[]): string {
  const known = new Set(before.filter(alert => alert.state === 'firing').map(alert => alert.id));
  const fresh = now.filter(alert => alert.state === 'firing' && !known.has(alert.id));
  const first = fresh[0];
  if (!first) return '';
  return fresh.length === 1
    ? `${look(first.severity).word} alert: ${first.description}`
    : `${fresh.length} new alerts fire`;
}

/** How far a value lies outside of what was expected. */
export function beyond(alert: Alert): string {
  const { low, high } = alert.expected ?? {};
  if (typeof high === 'number' && alert.value > high) return 'above';
  if (typeof low === 'number' && alert.value < low) return 'below';
  return 'within';
}

/** Matchers as text, a line each: `name="value"`, with `=`, `!=`, `=~` or `!~` between. */
export const written = (matchers: readonly Matcher[]): string =>
  matchers.map(({ name, op, value }) => `${name}${op}${JSON.stringify(value)}`).join('\n');

/** What `written` wrote, quotes being optional; null where a line is none or there are too many. */
export function matchers(text: string): Matcher[] | null {
  const lines = text.split('\n').filter(line => line.trim());
  const all = lines.map(line => {
    const [, name, op, quoted, bare] =
      /^\s*([\w.:-]{1,128})\s*(=~|!~|!=|=)\s*(?:("(?:[^"\\]|\\.)*")|([^"\s]*))\s*$/.exec(line) ??
      [];
    if (!name) return null;
    try {
      return { name, op, value: quoted ? String(JSON.parse(quoted)) : bare } as Matcher;
    } catch {
      return null;
    }
  });
  const good = all.filter(matcher => matcher !== null);
  return good.length === all.length && good.length > 0 && good.length <= MAX_MATCHERS ? good : null;
}
const MAX_MATCHERS = 16;

/** Matchers that fit an alert and its like. */
export const matchersOf = (alert: Alert): Matcher[] =>
  Object.entries(alert.labels ?? {})
    .slice(0, MAX_MATCHERS)
    .map(([name, value]) => ({ name, op: '=', value }));
