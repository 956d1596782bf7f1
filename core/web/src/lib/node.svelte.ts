// What the node says of itself every few seconds: its plugins, its figures. The rule: asked once for all views, and a
// plugin that is known to be away is not asked at all.

import { Poll } from './poll.svelte';

export type PluginState =
  'STARTING' | 'RUNNING' | 'RESTARTING' | 'CRASHED' | 'STOPPED' | 'DISABLED';

export interface Plugin {
  name: string;
  version: string;
  description: string;
  pid: number | null;
  state: PluginState;
  isolation: string;
  delivery: string;
  uptime_seconds: number;
  cpu_percent: number;
  memory_mb: number;
  event_count: number;
  missed_count: number;
  crash_count: number;
  restart_count: number;
  lag_events: number;
  quarantined_count: number;
  last_error: string | null;
}

export interface Metrics {
  timestamp: string;
  plugins: Plugin[];
  system: {
    uptime_seconds: number;
    total_plugins: number;
    plugins_running: number;
    total_events: number;
    total_memory_mb: number;
  };
  score: {
    window: number;
    events_total: number;
    avg: number | null;
    weighted_avg: number | null;
  };
}

const EVERY_MS = 5000;

class NodeStatus {
  #poll: Poll<Metrics> | null = null;

  /** Asked for as long as the page is there. */
  get poll(): Poll<Metrics> {
    if (!this.#poll)
      $effect.root(() => void (this.#poll = new Poll<Metrics>(() => '/api/metrics', EVERY_MS)));
    return this.#poll!;
  }

  plugin(name: string): Plugin | null {
    return this.poll.data?.plugins.find(plugin => plugin.name === name) ?? null;
  }

  /** Whether a plugin's routes can be asked now. */
  serves(name: string): boolean {
    return this.plugin(name)?.state === 'RUNNING';
  }
}

export const node = new NodeStatus();
