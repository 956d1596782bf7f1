//! A studio whose painters wait for a word from the test.

use std::sync::mpsc;

use tokio::task::JoinHandle as Task;

use super::super::work::tests::{drawn, work};
use super::*;
use crate::config::Renderer;
use crate::metrics::Metrics;

const BOUNDS: FractalSection = FractalSection {
    backend: Renderer::Cpu,
    threads: 1,
    queue: 2,
    time_limit_ms: 600_000,
    max_pixels: 0,
    max_steps: 0,
    cache_bytes: 1 << 20,
};

struct Bench {
    studio: Arc<Studio>,
    /// What painters have begun.
    begun: mpsc::Receiver<Work>,
    /// A word for each picture that may be finished.
    finish: mpsc::Sender<()>,
    /// What became of them: whether it was finished.
    ended: mpsc::Receiver<bool>,
}

type Outcome = Result<(Drawn, Lookup), Failure>;

impl Bench {
    fn new() -> Self {
        let (begins, begun) = mpsc::channel();
        let (finish, finishes) = mpsc::channel::<()>();
        let (ends, ended) = mpsc::channel();
        let quick: Draw = Box::new(move |work, cancel| {
            begins.send(work.clone()).unwrap();
            // Poll: for the test's word or the flag, whichever comes first.
            let finished = loop {
                match finishes.recv_timeout(Duration::from_millis(1)) {
                    Ok(()) => break true,
                    Err(_) if cancel.load(Ordering::Relaxed) => break false,
                    Err(_) => {}
                }
            };
            ends.send(finished).unwrap();
            finished.then(|| drawn(100)).ok_or_else(|| "cancelled".to_owned())
        });
        let deep: Draw = Box::new(|work, _| match work.palette {
            "shimmer" => Ok(drawn(1)),
            _ => panic!("a fault of the renderer"),
        });
        let metrics = Metrics::new().unwrap();
        let studio = Arc::new(Studio::start([quick, deep], &metrics.render).unwrap());
        Self { studio, begun, finish, ended }
    }

    /// A request, which has its place in a queue when this returns.
    async fn ask(&self, work: Work) -> Task<Outcome> {
        let studio = self.studio.clone();
        let task = tokio::spawn(async move { studio.picture(&work, &BOUNDS).await });
        tokio::task::yield_now().await;
        task
    }

    fn begun(&self) -> Work {
        self.begun.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn ended(&self) -> bool {
        self.ended.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn queued(&self) -> usize {
        self.studio.figures().queued[Lane::Quick as usize]
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.studio.stop();
    }
}

fn deep() -> Work {
    let work = work(9_999_999);
    assert_eq!(work.lane(), Lane::Deep);
    work
}

#[tokio::test]
async fn a_full_queue_answers_at_once_and_the_other_lane_goes_on() {
    let bench = Bench::new();
    let first = bench.ask(work(0)).await;
    assert_eq!(bench.begun(), work(0));
    let others = [bench.ask(work(1)).await, bench.ask(work(2)).await];
    assert_eq!(bench.queued(), 2);
    assert_eq!(bench.studio.picture(&work(3), &BOUNDS).await.unwrap_err(), Failure::Full);
    // What is wanted already takes no place.
    let shared = bench.ask(work(2)).await;
    assert_eq!(bench.queued(), 2);
    assert_eq!(bench.studio.picture(&deep(), &BOUNDS).await.unwrap().1, Lookup::Miss);
    (0..3).for_each(|_| bench.finish.send(()).unwrap());
    assert_eq!(first.await.unwrap().unwrap().1, Lookup::Miss);
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().1, Lookup::Miss);
    }
    assert_eq!(shared.await.unwrap().unwrap().1, Lookup::Shared);
}

#[tokio::test]
async fn equal_works_are_drawn_once_and_then_kept() {
    let bench = Bench::new();
    let both = [bench.ask(work(0)).await, bench.ask(work(0)).await];
    bench.finish.send(()).unwrap();
    let [first, second] = both.map(|task| async { task.await.unwrap().unwrap().1 });
    assert_eq!((first.await, second.await), (Lookup::Miss, Lookup::Shared));
    assert_eq!(bench.studio.picture(&work(0), &BOUNDS).await.unwrap().1, Lookup::Hit);
    assert_eq!(bench.begun(), work(0));
    assert!(bench.begun.try_recv().is_err(), "drawn twice");
    assert_eq!(bench.studio.figures().cache_entries, 1);
}

#[tokio::test]
async fn what_nobody_waits_for_is_given_up() {
    let bench = Bench::new();
    let both = [bench.ask(work(0)).await, bench.ask(work(0)).await];
    let waiting = bench.ask(work(1)).await;
    bench.begun();
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(bench.queued(), 0, "it gave its place back");
    let [first, second] = both;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(bench.ended.try_recv().is_err(), "somebody still waits");
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    // Wanted again before the painter has noticed: it is begun anew.
    let again = bench.ask(work(0)).await;
    assert!(!bench.ended());
    assert_eq!(bench.begun(), work(0));
    bench.finish.send(()).unwrap();
    assert_eq!(again.await.unwrap().unwrap().1, Lookup::Miss);
}

#[tokio::test]
async fn patience_has_an_end() {
    let bench = Bench::new();
    let patient = bench.ask(work(0)).await;
    let short = FractalSection { time_limit_ms: 5, ..BOUNDS };
    assert_eq!(bench.studio.picture(&work(0), &short).await.unwrap_err(), Failure::Late);
    bench.finish.send(()).unwrap();
    assert!(patient.await.unwrap().is_ok(), "one who waits longer gets it");
    assert!(bench.ended());
    assert_eq!(bench.studio.picture(&work(1), &short).await.unwrap_err(), Failure::Late);
    assert!(!bench.ended());
}

#[tokio::test]
async fn a_panic_costs_one_picture() {
    let bench = Bench::new();
    let broken = Work { palette: "mud", ..deep() };
    let failure = bench.studio.picture(&broken, &BOUNDS).await.unwrap_err();
    assert!(matches!(failure, Failure::Broken(_)), "{failure:?}");
    assert!(bench.studio.picture(&deep(), &BOUNDS).await.is_ok());
}

#[tokio::test]
async fn nobody_waits_for_a_studio_that_stops() {
    let bench = Bench::new();
    let tasks = [bench.ask(work(0)).await, bench.ask(work(1)).await];
    bench.begun();
    bench.studio.stop();
    assert!(!bench.ended());
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap_err(), Failure::Stopping);
    }
    assert_eq!(bench.studio.picture(&work(2), &BOUNDS).await.unwrap_err(), Failure::Stopping);
}
