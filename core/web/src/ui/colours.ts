// Tokens as colours that a canvas understands.

const probes = new Map<string, HTMLElement>();

/** The colour of a custom property such as `--accent`, as the present theme resolves it. */
export function colour(token: string): string {
  let probe = probes.get(token);
  if (!probe) {
    probe = document.createElement('i');
    probe.hidden = true;
    probe.style.color = `var(${token})`;
    document.body.append(probe);
    probes.set(token, probe);
  }
  return getComputedStyle(probe).color;
}

/** Tokens of lines, in the order in which they are given out. */
export const LINES = ['--s1', '--s2', '--s3', '--s4', '--s5', '--s6', '--s7', '--s8'] as const;

export const lineToken = (index: number): string => LINES[index % LINES.length] ?? LINES[0];
