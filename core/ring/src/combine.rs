//! The writer role: one thread at a time serves the requests of all.
//!
//! A thread puts its request on a list with one compare-and-swap. Whoever finds the role free takes
//! it and serves, first come first served, its own request and those that queued up meanwhile (flat
//! combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010). After [`HAND_OVER`] requests it hands the
//! role to the next in line, so that no thread works for the others forever.
//!
//! Rule: a request lies on its owner's stack; nobody touches it after its status says done.

#![allow(unsafe_code, reason = "requests are shared through raw pointers to other stacks")]

use crate::sync::{AtomicPtr, AtomicU32, Ordering, SPINS, Thread, UnsafeCell, current, park, spin};
use std::ptr;

/// Most requests that are served before their results are published together.
pub(crate) const ROUND: usize = 32;
/// Requests after which the role goes to the next in line.
pub(crate) const HAND_OVER: usize = if cfg!(any(loom, shuttle)) { 1 } else { 128 };

const WAITING: u32 = 0;
const LEADER: u32 = 1;
const DONE: u32 = 2;

/// A request in the list.
struct Node<T> {
    /// The request before this one while in the list, the one after it once taken.
    next: UnsafeCell<*mut Node<T>>,
    status: AtomicU32,
    /// Who waits. Only set when there may be a wait.
    thread: UnsafeCell<Option<Thread>>,
    task: UnsafeCell<T>,
}

/// The state that belongs to the role, and the list of those who want it.
pub(crate) struct Combiner<S, T> {
    /// Null: free. [`held`]: held, nobody queues. Else held, and this is the newest request.
    word: AtomicPtr<Node<T>>,
    state: UnsafeCell<S>,
}

// SAFETY: the state is touched only by the holder of the role, and the role passes from thread to
// thread through Release/Acquire pairs on `word` and `status`; tasks move to the holder likewise.
unsafe impl<S: Send, T: Send> Send for Combiner<S, T> {}
// SAFETY: as above.
unsafe impl<S: Send, T: Send> Sync for Combiner<S, T> {}

/// A few requests, to be served in order and published together.
pub(crate) struct Round<T> {
    head: *mut Node<T>,
    len: usize,
}

impl<T> Round<T> {
    /// Calls `f` with every task in order.
    pub(crate) fn each(&mut self, mut f: impl FnMut(&mut T)) {
        let mut node = self.head;
        for _ in 0..self.len {
            // SAFETY: the nodes of a round are not done, so their owners wait and leave them to
            // the holder of the role, who alone can have a Round.
            unsafe {
                (*node).task.with_mut(|task| f(&mut *task));
                node = (*node).next.with_mut(|next| *next);
            }
        }
    }
}

/// Ends the process when a round unwinds: requests on other stacks would be lost.
struct NoUnwind;

impl Drop for NoUnwind {
    fn drop(&mut self) {
        if std::thread::panicking() && !cfg!(any(loom, shuttle)) {
            std::process::abort();
        }
    }
}

fn held<T>() -> *mut Node<T> {
    ptr::without_provenance_mut(1)
}

impl<S, T> Combiner<S, T> {
    pub(crate) fn new(state: S) -> Self {
        Self { word: AtomicPtr::new(ptr::null_mut()), state: UnsafeCell::new(state) }
    }

    /// Has `task` served, by this thread or another, and gives it back with its results.
    ///
    /// `serve` must not unwind, and must be the same for all callers. It must not submit.
    #[inline(always)]
    pub(crate) fn submit(&self, task: T, serve: impl Fn(&mut S, &mut Round<T>)) -> T {
        let node = Node {
            next: UnsafeCell::new(ptr::null_mut()),
            status: AtomicU32::new(WAITING),
            thread: UnsafeCell::new(None),
            task: UnsafeCell::new(task),
        };
        let own = ptr::from_ref(&node).cast_mut();
        if self.take_or_queue(own) || self.wait(&node) {
            self.lead(own, &serve);
        }
        // A look like any other, which the model checkers hold against the leader's.
        node.task.with_mut(|_| ());
        node.task.into_inner()
    }

    /// Takes the free role (`true`) or puts the request on the list.
    fn take_or_queue(&self, own: *mut Node<T>) -> bool {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let free = seen.is_null();
            // SAFETY: the node is ours until the exchange below succeeds.
            unsafe {
                // Written anew in every round: the list seen in the last one may be gone.
                let next = if seen == held() { ptr::null_mut() } else { seen };
                (*own).next.with_mut(|to| *to = next);
                if !free {
                    (*own).thread.with_mut(|thread| {
                        (*thread).get_or_insert_with(current);
                    });
                }
            }
            let to = if free { held() } else { own };
            // Release: hands the request to the leader, pairs with the Acquire swap in `taken`.
            // Acquire: takes the role's state over from the Release in `give_up`.
            let (set, miss) = (ROLE_TAKE, Ordering::Relaxed);
            match self.word.compare_exchange_weak(seen, to, set, miss) {
                Ok(_) => return free,
                Err(now) => seen = now,
            }
        }
    }

    /// Waits until the request is done (`false`) or heads the list and gets the role (`true`).
    fn wait(&self, node: &Node<T>) -> bool {
        let mut spins = SPINS;
        loop {
            // Acquire: pairs with the Release in `finish` and `hand_over`.
            match node.status.load(STATUS_LOAD) {
                DONE => return false,
                LEADER => return true,
                _ if spins > 0 => {
                    spins -= 1;
                    spin();
                }
                _ => park(),
            }
        }
    }

    /// Serves until nobody queues or somebody else has the role. `first` heads a list in order.
    #[inline(never)]
    fn lead(&self, own: *mut Node<T>, serve: &impl Fn(&mut S, &mut Round<T>)) {
        let guard = NoUnwind;
        let mut list = own;
        let mut served = 0;
        loop {
            let (len, rest) = cut(list);
            self.state.with_mut(|state| {
                // SAFETY: this thread holds the role, and only its holder touches the state.
                serve(unsafe { &mut *state }, &mut Round { head: list, len });
            });
            finish(list, len, own);
            served += len;
            list = rest;
            if list.is_null() {
                list = self.taken();
            }
            if list.is_null() {
                break;
            }
            if served >= HAND_OVER {
                hand_over(list);
                break;
            }
        }
        std::mem::forget(guard);
    }

    /// The requests that queued up, oldest first; gives the role up when there is none.
    fn taken(&self) -> *mut Node<T> {
        // Release: leaves the role's state to the next who takes the role (`take_or_queue`).
        if self.word.compare_exchange(held(), ptr::null_mut(), ROLE_GIVE, Ordering::Relaxed).is_ok()
        {
            return ptr::null_mut();
        }
        // Acquire: pairs with the Release of every request pushed; each push is a
        // read-modify-write and so continues the release sequences of those below it.
        let mut node = self.word.swap(held(), Ordering::Acquire);
        let mut list = ptr::null_mut();
        while !node.is_null() {
            // SAFETY: the node waits in the list that was just taken, which is ours alone.
            let before =
                unsafe { (*node).next.with_mut(|next| std::mem::replace(&mut *next, list)) };
            list = node;
            node = before;
        }
        list
    }
}

const ROLE_TAKE: Ordering =
    if cfg!(mutant = "role_relaxed") { Ordering::Release } else { Ordering::AcqRel };
const ROLE_GIVE: Ordering =
    if cfg!(mutant = "give_relaxed") { Ordering::Relaxed } else { Ordering::Release };
const STATUS_LOAD: Ordering =
    if cfg!(mutant = "done_relaxed") { Ordering::Relaxed } else { Ordering::Acquire };

/// Splits a list after at most [`ROUND`] requests: how many, and the rest.
fn cut<T>(list: *mut Node<T>) -> (usize, *mut Node<T>) {
    let mut node = list;
    let mut len = 0;
    while !node.is_null() && len < ROUND {
        // SAFETY: the nodes of the list are not done and belong to the holder of the role.
        node = unsafe { (*node).next.with_mut(|next| *next) };
        len += 1;
    }
    (len, node)
}

/// Tells the owners of `len` requests from `list` on that they are done.
fn finish<T>(list: *mut Node<T>, len: usize, own: *mut Node<T>) {
    let mut node = list;
    for _ in 0..len {
        // SAFETY: not done yet, so still there; everything needed is taken out before the store
        // that lets the owner go. Our own node needs no word.
        unsafe {
            let next = (*node).next.with_mut(|next| *next);
            if node != own {
                let thread = (*node).thread.with_mut(|thread| (*thread).take());
                // Release: pairs with the Acquire in `wait`; the results come with it.
                (*node).status.store(DONE, Ordering::Release);
                wake(thread);
            }
            node = next;
        }
    }
}

/// Passes the role, and the list, to the request at its head.
fn hand_over<T>(list: *mut Node<T>) {
    // SAFETY: not done yet, so still there.
    unsafe {
        let thread = (*list).thread.with_mut(|thread| (*thread).take());
        // Release: pairs with the Acquire in `wait`; the role's state comes with it.
        (*list).status.store(LEADER, Ordering::Release);
        wake(thread);
    }
}

fn wake(thread: Option<Thread>) {
    if let Some(thread) = thread {
        // Loom does not switch threads before an unpark by itself, and so would never see an owner
        // that leaves on the status alone.
        #[cfg(loom)]
        spin();
        thread.unpark();
    }
}
