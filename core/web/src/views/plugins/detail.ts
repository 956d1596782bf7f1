// One plugin as /api/plugin/{name} shows it.

import { count, duration, memory, percent } from '../../lib/format';
import type { Plugin } from '../../lib/node.svelte';

export interface Sample {
  timestamp: string;
  cpu_percent: number;
  memory_mb: number;
  event_count: number;
}

export interface Aggregate {
  avg: number;
  min: number;
  max: number;
}

export interface Detail extends Plugin {
  loaded_at: string;
  aggregates_1h: { cpu_percent: Aggregate; memory_mb: Aggregate; samples: number } | null;
  /** One every five seconds. */
  history: Sample[];
  /** Means of a minute each. */
  history_1h: Sample[];
  quarantined: number[];
}

type Row = readonly [label: string, value: string, about?: string];

/** What a plugin uses and does, in the order of its card. */
export const usage = (plugin: Plugin): Row[] => [
  ['Uptime', duration(plugin.uptime_seconds)],
  ['CPU', percent(plugin.cpu_percent)],
  ['Memory', memory(plugin.memory_mb)],
  ['Events', count(plugin.event_count)],
  ['Lag', count(plugin.lag_events), 'events published and not yet processed'],
  ['Crashes', count(plugin.crash_count)],
];

export const detailPath = (name: string) => `/api/plugin/${encodeURIComponent(name)}`;
