//! What views share between calls: reference orbits on the device.
//!
//! The rule: kept by view, so that earlier calls never change numbers; made once however many ask; the
//! one used longest ago goes first.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use shimmer_fractal::{Control, RenderError};

use crate::device::locked;

/// How long a waiting call goes without a look at its cancel flag.
const LOOK: Duration = Duration::from_millis(5);

/// A bounded cache.
pub(crate) struct Cache<K, V> {
    most_entries: usize,
    most_bytes: u64,
    shelf: Mutex<Shelf<K, V>>,
    changed: Condvar,
}

struct Shelf<K, V> {
    /// Newest use last.
    entries: Vec<(K, Arc<V>, u64)>,
    making: Vec<K>,
}

impl<K: Clone + Eq, V> Cache<K, V> {
    pub(crate) fn new(most_entries: usize, most_bytes: u64) -> Self {
        let shelf = Shelf { entries: Vec::new(), making: Vec::new() };
        Self { most_entries, most_bytes, shelf: Mutex::new(shelf), changed: Condvar::new() }
    }

    /// The value for a key; `make` gives it and the bytes that it occupies.
    pub(crate) fn get(
        &self,
        key: &K,
        control: &Control<'_>,
        make: impl FnOnce() -> Result<(V, u64), RenderError>,
    ) -> Result<Arc<V>, RenderError> {
        let mut shelf = locked(&self.shelf);
        loop {
            if let Some(at) = shelf.entries.iter().position(|entry| entry.0 == *key) {
                let entry = shelf.entries.remove(at);
                let value = Arc::clone(&entry.1);
                shelf.entries.push(entry);
                return Ok(value);
            }
            if !shelf.making.contains(key) {
                break;
            }
            control.check()?;
            let waited = self.changed.wait_timeout(shelf, LOOK);
            shelf = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        shelf.making.push(key.clone());
        drop(shelf);
        let making = Making { cache: self, key };
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        let mut shelf = locked(&self.shelf);
        shelf.entries.push((key.clone(), Arc::clone(&value), bytes));
        self.shrink(&mut shelf);
        drop(shelf);
        drop(making);
        Ok(value)
    }

    /// Lets the oldest go until the bounds hold; the newest stays.
    fn shrink(&self, shelf: &mut Shelf<K, V>) {
        let is_over = |entries: &[(K, Arc<V>, u64)]| {
            let bytes: u64 = entries.iter().map(|entry| entry.2).sum();
            entries.len() > self.most_entries || bytes > self.most_bytes
        };
        while shelf.entries.len() > 1 && is_over(&shelf.entries) {
            shelf.entries.remove(0);
        }
    }
}

/// Says that a value is being made, also when making it fails.
struct Making<'a, K: Clone + Eq, V> {
    cache: &'a Cache<K, V>,
    key: &'a K,
}

impl<K: Clone + Eq, V> Drop for Making<'_, K, V> {
    fn drop(&mut self) {
        locked(&self.cache.shelf).making.retain(|key| key != self.key);
        self.cache.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn get(cache: &Cache<u32, u32>, key: u32) -> (u32, bool) {
        let mut is_made = false;
        let value = cache.get(&key, &Control::default(), || {
            is_made = true;
            Ok((key * 10, 100))
        });
        (*value.unwrap(), is_made)
    }

    #[test]
    fn the_oldest_goes_first() {
        let cache = Cache::new(2, 1_000);
        assert_eq!(
            [get(&cache, 1), get(&cache, 2), get(&cache, 1)].map(|got| got.1),
            [true, true, false]
        );
        assert_eq!(get(&cache, 3), (30, true));
        assert_eq!([get(&cache, 1).1, get(&cache, 2).1], [false, true]);
    }

    #[test]
    fn bytes_are_bounded() {
        let cache = Cache::new(10, 250);
        assert!((1..=3).all(|key| get(&cache, key).1));
        assert_eq!([get(&cache, 3).1, get(&cache, 1).1], [false, true]);
    }

    #[test]
    fn made_once_however_many_ask() {
        let (cache, made) = (Cache::new(2, 1_000), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let value = cache.get(&7, &Control::default(), || {
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok((70, 1))
                    });
                    assert_eq!(*value.unwrap(), 70);
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = Cache::<u32, u32>::new(2, 1_000);
        let failed = cache.get(&1, &Control::default(), || Err(RenderError::Cancelled));
        assert_eq!(failed.unwrap_err(), RenderError::Cancelled);
        assert_eq!(get(&cache, 1), (10, true));
    }
}
