// How a plugin fares, in colour, sign and word (source of the limits: the dashboard's specification, CPU above 50 % or
// memory above 100 MB is yellow).

import type { Plugin } from '../../lib/node.svelte';
import type { Tone } from '../../ui/Badge.svelte';

const BUSY_CPU_PERCENT = 50;
const BUSY_MEMORY_MB = 100;

export interface Health {
  tone: Tone;
  icon: string;
  word: string;
  /** Why it is not green. */
  why: string;
}

const away: Record<Exclude<Plugin['state'], 'RUNNING'>, Omit<Health, 'why'>> = {
  STARTING: { tone: 'warn', icon: '◔', word: 'Starting' },
  RESTARTING: { tone: 'bad', icon: '↻', word: 'Restarting' },
  STOPPED: { tone: 'bad', icon: '■', word: 'Stopped' },
  DISABLED: { tone: 'idle', icon: '○', word: 'Disabled' },
  CRASHED: { tone: 'bad', icon: '✖', word: 'Crashed' },
};

export function health(
  plugin: Pick<Plugin, 'state' | 'cpu_percent' | 'memory_mb' | 'last_error'>,
): Health {
  if (plugin.state !== 'RUNNING') {
    const known = away[plugin.state] ?? { tone: 'bad', icon: '✖', word: String(plugin.state) };
    return { ...known, why: plugin.last_error ?? '' };
  }
  const reasons = [
    plugin.cpu_percent > BUSY_CPU_PERCENT && `CPU above ${BUSY_CPU_PERCENT} %`,
    plugin.memory_mb > BUSY_MEMORY_MB && `memory above ${BUSY_MEMORY_MB} MB`,
  ].filter(Boolean);
  if (reasons.length > 0) return { tone: 'warn', icon: '▲', word: 'Busy', why: reasons.join(', ') };
  return { tone: 'good', icon: '●', word: 'Running', why: '' };
}
