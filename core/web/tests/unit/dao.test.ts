// What the DAO's documents mean, without a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  entriesOf,
  FIELDS,
  next,
  proposed,
  shellWord,
  steps,
  tallies,
  turnout,
  verbs,
  weightsOf,
  type Proposal,
  type State,
} from '../../src/views/dao/dao';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const proposal = (more: Partial<Proposal> = {}): Proposal => ({
  id: 'p1',
  title: 'Halve it',
  source: 's',
  options: [0.5],
  strategy: 'stake',
  delay_s: 10,
  period_s: 20,
  quorum: 0.2,
  timelock_s: 5,
  extension_s: 0,
  grace_s: 100,
  state: 'active',
  created_at: '2026-01-01T00:00:00Z',
  starts_at: '2026-01-01T00:00:10Z',
  ends_at: '2026-01-01T00:00:30Z',
  eta: null,
  total_power: 100,
  votes: 2,
  for: 30,
  against: 20,
  abstain: 10,
  tallies: [],
  winner: null,
  quorum_reached: true,
  ...more,
});

test('a proposal goes its way', () => {
  const way = (state: State) =>
    steps(state)
      .map(({ word, place }) =>
        place === 'now' ? `[${word}]` : place === 'done' ? word : `(${word})`,
      )
      .join(' ');
  assert.equal(way('pending'), '[Pending] (Active) (Succeeded) (Queued) (Executed)');
  assert.equal(way('queued'), 'Pending Active Succeeded [Queued] (Executed)');
  assert.equal(way('executed'), 'Pending Active Succeeded Queued [Executed]');
  assert.equal(way('defeated'), 'Pending Active [Defeated]');
  assert.equal(way('expired'), 'Pending Active Succeeded Queued [Expired]');
  assert.equal(way('canceled'), 'Pending [Canceled]');
});

test('what comes next and when', () => {
  const eta = '2026-01-01T00:00:40Z';
  const at = (more: Partial<Proposal>, now = T0) => {
    const step = next(proposal(more), now);
    return step && [step.what, (step.at - T0) / 1000];
  };
  assert.deepEqual(at({ state: 'pending' }), ['Voting begins', 10]);
  assert.deepEqual(at({ state: 'active' }), ['Voting ends', 30]);
  assert.deepEqual(at({ state: 'queued', eta }), ['Can be executed', 40]);
  assert.deepEqual(at({ state: 'queued', eta }, T0 + 40_000), ['Expires', 140]);
  assert.equal(at({ state: 'queued' }), null);
  assert.equal(at({ state: 'active' }, T0 + 30_000), null);
  assert.equal(at({ state: 'queued', eta }, T0 + 140_000), null);
  assert.equal(at({ state: 'executed', eta }), null);
});

test('only what can be done is offered', () => {
  const eta = '2026-01-01T00:00:40Z';
  assert.deepEqual(verbs(proposal(), T0), ['cancel']);
  assert.deepEqual(verbs(proposal({ state: 'succeeded' }), T0), ['queue', 'cancel']);
  assert.deepEqual(verbs(proposal({ state: 'queued', eta }), T0), ['cancel']);
  assert.deepEqual(verbs(proposal({ state: 'queued', eta }), T0 + 40_000), ['execute', 'cancel']);
  for (const state of ['executed', 'defeated', 'expired', 'canceled'] as const)
    assert.deepEqual(verbs(proposal({ state }), T0), []);
});

test('the quorum counts for and abstain of a question, and all of a choice', () => {
  assert.equal(turnout(proposal()), 0.4);
  const choice = proposal({ options: [0, 1], tallies: [25, 40], winner: 1 });
  assert.equal(turnout(choice), 0.75);
  assert.deepEqual(
    tallies(choice).map(({ label, wins }) => [label, wins]),
    [
      ['weight 0', false],
      ['weight 1', true],
      ['abstain', false],
    ],
  );
  assert.equal(turnout(proposal({ total_power: 0 })), 0);
  assert.equal(tallies(proposal({ for: 20 }))[0]?.wins, false);
});

test('weights lie between 0 and 1', () => {
  assert.deepEqual(weightsOf('0.2, 1,0'), [0.2, 1, 0]);
  for (const bad of ['', '1,', '1.5', '-0.1', 'x', 'NaN', '0,'.repeat(64) + '0'])
    assert.equal(weightsOf(bad), null, bad);
});

test('what only conviction has is asked and sent with conviction alone', () => {
  const values = Object.fromEntries(FIELDS.map(({ name, value }) => [name, value]));
  assert.deepEqual(Object.keys(proposed(values)).sort(), [
    'delay_s',
    'extension_s',
    'grace_s',
    'options',
    'period_s',
    'quorum',
    'source',
    'strategy',
    'timelock_s',
    'title',
  ]);
  const conviction = proposed({ ...values, strategy: 'conviction' });
  assert.ok('alpha' in conviction && 'step_s' in conviction);
  assert.deepEqual(conviction.options, [1]);
});

test('an id is one word of a command, whatever is in it', () => {
  assert.equal(shellWord('p-1.x:2'), 'p-1.x:2');
  assert.equal(shellWord("a'; rm -rf ~"), "'a'\\''; rm -rf ~'");
  assert.equal(shellWord(''), "''");
});

test('pages of the log count from its newest entry', () => {
  assert.deepEqual(entriesOf(25, 0, 10), { since: 15, limit: 10 });
  assert.deepEqual(entriesOf(25, 2, 10), { since: 0, limit: 5 });
  assert.deepEqual(entriesOf(25, 3, 10), { since: 0, limit: 0 });
  assert.deepEqual(entriesOf(0, 0, 10), { since: 0, limit: 0 });
});
