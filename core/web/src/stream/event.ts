// Events as the server shows them, and what else comes down the stream.

export interface StreamEvent {
  readonly seq: number;
  readonly event_id: string;
  readonly timestamp: string;
  readonly received_at: string;
  readonly kind: string;
  readonly value: number;
  readonly subject?: string;
  readonly source: string;
  readonly origin: string;
  readonly [member: string]: unknown;
}

/** Events that will never come: both ends included. */
export interface Gap {
  readonly type: 'gap';
  readonly from: number;
  readonly to: number;
  /** The node lost events that we have seen, and gives their sequences to others. */
  readonly anew?: boolean;
}

export interface Heartbeat {
  readonly type: 'heartbeat';
  readonly ts: string;
}

export type Message = StreamEvent | Gap | Heartbeat;
export type Row = StreamEvent | Gap;

export interface Snapshot {
  events: StreamEvent[];
  next_seq: number;
  dropped_before: number;
}

export const isGap = (row: Message): row is Gap => 'type' in row && row.type === 'gap';
export const isHeartbeat = (row: Message): row is Heartbeat =>
  'type' in row && row.type === 'heartbeat';
