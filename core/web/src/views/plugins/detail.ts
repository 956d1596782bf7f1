// One plugin as /api/plugin/{name} shows it.

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

export const detailPath = (name: string) => `/api/plugin/${encodeURIComponent(name)}`;
