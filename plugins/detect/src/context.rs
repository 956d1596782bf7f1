//! How surprising a value is after the values before it.
//!
//! The rule: a value becomes one of a few symbols, and its surprise is -log2 of the probability
//! that the counts of all shorter and longer contexts, blended, gave that symbol before it came.
//!
//! The blend is prediction by partial matching with the escape of a Dirichlet prior: the shorter
//! context is the prior of the longer one (MacKay and Peto, A hierarchical Dirichlet language
//! model, 1995). Counts are halved when a context holds many, so old habits fade.

use crate::tape::{Keep, Tape};

/// Slots of a context order: longer orders share slots by their hash.
const MAX_SLOTS: usize = 1 << 14;
/// A context with this many counts halves them.
const CONTEXT_LIMIT: u32 = 250;
/// How much the shorter context weighs against what the longer one counted.
const PRIOR: f64 = 1.0;

/// Counts of symbols after contexts of zero to `order` symbols.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    bins: u8,
    low: f64,
    high: f64,
    /// The newest symbols, newest first.
    recent: Vec<u8>,
    orders: Vec<Order>,
}

#[derive(Clone, Debug)]
struct Order {
    slots: usize,
    counts: Vec<u8>,
}

impl Context {
    /// `bins` symbols, contexts of up to `order` of them.
    pub(crate) fn new(bins: u8, order: usize) -> Self {
        let slots = |k: usize| usize::from(bins).pow(k as u32).min(MAX_SLOTS);
        let orders = (0..=order)
            .map(|k| Order { slots: slots(k), counts: vec![0; slots(k) * usize::from(bins)] })
            .collect();
        Self { bins, low: f64::MAX, high: f64::MIN, recent: vec![0; order], orders }
    }

    /// Surprise of `x` in bits, then learns it.
    pub(crate) fn push(&mut self, x: f64) -> f64 {
        self.low = self.low.min(x);
        self.high = self.high.max(x);
        let symbol = self.symbol(x);
        let bins = usize::from(self.bins);
        let mut probability = 1.0 / bins as f64;
        let mut context = 0_usize;
        for (k, order) in self.orders.iter_mut().enumerate() {
            if k > 0 {
                context = context * bins + usize::from(self.recent[k - 1]);
            }
            let slot = if context < order.slots { context } else { hash(context) % order.slots };
            let counts = &mut order.counts[slot * bins..(slot + 1) * bins];
            let total: u32 = counts.iter().map(|&c| u32::from(c)).sum();
            let count = f64::from(counts[symbol]);
            probability = (count + PRIOR * probability) / (f64::from(total) + PRIOR);
            if total >= CONTEXT_LIMIT {
                counts.iter_mut().for_each(|c| *c /= 2);
            }
            counts[symbol] += 1;
        }
        if !self.recent.is_empty() {
            self.recent.rotate_right(1);
            self.recent[0] = symbol as u8;
        }
        -probability.log2()
    }

    fn symbol(&self, x: f64) -> usize {
        let width = self.high - self.low;
        if width <= 0.0 {
            return 0;
        }
        let bin = (x - self.low) / width * f64::from(self.bins);
        (bin as usize).min(usize::from(self.bins) - 1)
    }
}

/// A multiplicative hash (Knuth, TAOCP 6.4).
fn hash(context: usize) -> usize {
    ((context as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

impl Keep for Context {
    fn keep(&mut self, tape: &mut Tape<'_>) {
        self.low.keep(tape);
        self.high.keep(tape);
        self.recent.keep(tape);
        self.orders.iter_mut().for_each(|order| tape.sparse(&mut order.counts));
    }
}
