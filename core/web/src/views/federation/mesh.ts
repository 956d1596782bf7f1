// The mesh as a picture: places of nodes and what has moved between two answers. The rule: the number of nodes drawn is
// bounded; the table beside the picture has them all.

export interface Health {
  status: string;
  node_id: string;
  peer_id: string;
  peers: number;
  beauty_avg: number | null;
  beauty_min: number | null;
  beauty_max: number | null;
  gossip_seen: number;
  gossip_propagated: number;
}
export interface Peer {
  node_id: string;
  peer_id: string;
  address: string;
  direction: 'in' | 'out';
  latency_ms: number | null;
  last_gossip: string | null;
  score: number;
}
export interface Network {
  node_id: string;
  peers: Peer[];
}
export type Summary = Record<
  'seen' | 'propagated' | 'total' | 'duplicates' | 'rejected' | 'synced',
  number
>;

export const MOST_DRAWN = 24;
/** Peers whose names have room on the map. */
export const MOST_NAMED = 12;

export interface Place {
  x: number;
  y: number;
}

/** Places around the node, in hundredths of the picture, with room for the words below a peer. */
const RADIUS: Place = { x: 36, y: 37 };

/** Places of `count` peers clockwise around the node, which is at 0, 0; none is straight below it, where its name is. */
export function ring(count: number): Place[] {
  const length = Math.min(count, MOST_DRAWN);
  return Array.from({ length }, (_, i) => {
    const angle = (2 * Math.PI * (length % 2 ? i : i + 0.5)) / length;
    return { x: RADIUS.x * Math.sin(angle), y: -RADIUS.y * Math.cos(angle) };
  });
}

/** Peers from which gossip came since the former answer; a peer that is new has no former gossip. */
export function gossiped(before: readonly Peer[], now: readonly Peer[]): string[] {
  const last = new Map(before.map(peer => [peer.peer_id, peer.last_gossip]));
  return now
    .filter(peer => last.has(peer.peer_id) && last.get(peer.peer_id) !== peer.last_gossip)
    .map(peer => peer.peer_id);
}

/** How long a peer that says nothing still counts as talking. */
const QUIET_MS = 60_000;
export const quiet = (peer: Peer, now: number): boolean =>
  !(now - Date.parse(peer.last_gossip ?? '') < QUIET_MS);
