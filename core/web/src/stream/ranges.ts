// The ranges of time that a person may look at.

export interface Range {
  readonly id: string;
  readonly label: string;
  /** Seconds that the chart spans. */
  readonly seconds: number;
  /** Seconds of one bucket. */
  readonly step: number;
}

const LIVE: Range = { id: 'live', label: 'Live', seconds: 60, step: 0.25 };

export const ranges: readonly Range[] = [
  LIVE,
  { id: '5m', label: '5 min', seconds: 300, step: 1 },
  { id: '1h', label: '1 h', seconds: 3600, step: 15 },
  { id: '24h', label: '24 h', seconds: 86_400, step: 300 },
];

export const rangeOf = (id: string | null): Range => ranges.find(range => range.id === id) ?? LIVE;
