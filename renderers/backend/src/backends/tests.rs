//! The choice, with renderers and a clock that do as they are told.
//!
//! The rule: fakes move the clock by what they would take, so nothing waits.

use std::sync::atomic::AtomicU64;

use shimmer_fractal::{Formula, Viewport};

use super::*;

/// A clock that moves when told.
#[derive(Clone)]
struct Clock {
    begun: Instant,
    us: Arc<AtomicU64>,
}

impl Clock {
    fn pass(&self, time: Duration) {
        self.us.fetch_add(time.as_micros() as u64, Ordering::SeqCst);
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_micros(self.us.load(Ordering::SeqCst))
    }
}

/// What a fake renderer does when it is called.
#[derive(Clone)]
struct Manner {
    /// For the next call alone.
    first_us: u64,
    /// For each call, whatever it draws.
    call_us: u64,
    /// For a million pixels.
    megapixel_us: u64,
    answer: Result<(), RenderError>,
}

impl Manner {
    fn takes(megapixel_us: u64) -> Self {
        Self { first_us: 0, call_us: 0, megapixel_us, answer: Ok(()) }
    }
}

struct Fake {
    mark: f32,
    clock: Clock,
    manner: Arc<Mutex<Manner>>,
    pixels: Arc<AtomicU64>,
}

impl Renderer for Fake {
    fn name(&self) -> String {
        format!("fake {}", self.mark)
    }

    fn render(
        &self,
        view: &View,
        region: Region,
        channels: Channels,
        control: &Control<'_>,
    ) -> Result<Raw, RenderError> {
        assert!(region.is_within(view.viewport()));
        assert_eq!(channels, Channels::SmoothAndDistance);
        control.check()?;
        let manner = locked(&self.manner).clone();
        let pixels = region.pixels() as u64;
        self.pixels.fetch_add(pixels, Ordering::SeqCst);
        let first_us = std::mem::take(&mut locked(&self.manner).first_us);
        let us = first_us + manner.call_us + manner.megapixel_us * pixels / 1_000_000;
        self.clock.pass(Duration::from_micros(us));
        manner.answer?;
        Ok(Raw { region, mu: vec![self.mark; region.pixels()], distance: Vec::new() })
    }
}

const CPU: f32 = 1.0;
const GPU: f32 = 2.0;

/// What the test holds of a [`Backends`] of fakes.
struct Bench {
    backends: Backends,
    clock: Clock,
    cpu: Arc<Mutex<Manner>>,
    gpu: Arc<Mutex<Manner>>,
    /// What opening answers.
    open: Arc<Mutex<Result<bool, RenderError>>>,
    opened: Arc<AtomicU64>,
    pixels: Arc<AtomicU64>,
}

fn bench(backend: Backend, cpu: Manner, gpu: Manner) -> Bench {
    let clock = Clock { begun: Instant::now(), us: Arc::default() };
    let (cpu, gpu) = (Arc::new(Mutex::new(cpu)), Arc::new(Mutex::new(gpu)));
    let (opened, pixels) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let open = Arc::new(Mutex::new(Ok(true)));
    let fake = {
        let (clock, pixels) = (clock.clone(), Arc::clone(&pixels));
        move |mark, manner: &Arc<Mutex<Manner>>| Fake {
            mark,
            clock: clock.clone(),
            manner: Arc::clone(manner),
            pixels: Arc::clone(&pixels),
        }
    };
    let here = Box::new(fake(CPU, &cpu));
    let opener = {
        let (gpu, open, opened) = (Arc::clone(&gpu), Arc::clone(&open), Arc::clone(&opened));
        move || {
            opened.fetch_add(1, Ordering::SeqCst);
            let is_there = locked(&open).clone()?;
            Ok(is_there.then(|| Arc::new(fake(GPU, &gpu)) as Arc<dyn Renderer>))
        }
    };
    let now = {
        let clock = clock.clone();
        move || clock.now()
    };
    let device = Device::new(Box::new(opener), Box::new(now));
    let backends = Backends::of(backend, here, device);
    Bench { backends, clock, cpu, gpu, open, opened, pixels }
}

impl Bench {
    fn choose(&self, view: &View) -> Choice<'_> {
        self.backends
            .choose(view, Channels::SmoothAndDistance, &Control::default())
            .expect("nobody cancels")
    }

    fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    fn pixels(&self) -> u64 {
        self.pixels.load(Ordering::SeqCst)
    }
}

fn view(zoom: &str, side: u32, max_iter: u64) -> View {
    let viewport = Viewport::parse(["-0.745", "0.1"], zoom, [side; 2]).unwrap();
    View::new(viewport, Formula::Mandelbrot, Some(max_iter)).unwrap()
}

fn large() -> View {
    view("100", 1_000, 2_000)
}

/// The mark of whoever drew a row.
fn drawn(choice: &Choice<'_>, view: &View) -> f32 {
    let row = Region { height: 1, ..Region::all(view.viewport()) };
    let raw = choice.render(view, row, Channels::SmoothAndDistance, &Control::default()).unwrap();
    assert!(raw.mu.iter().all(|mark| *mark == raw.mu[0]), "of one renderer alone");
    raw.mu[0]
}

fn gone() -> RenderError {
    RenderError::Unavailable("fell off the bus".to_owned())
}

/// The lines of the log that `run` causes at WARN.
fn warnings(run: impl FnOnce()) -> Vec<String> {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            locked(&self.0).extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let text = String::from_utf8(locked(&lines.0).clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_processor_alone_opens_nothing() {
    let bench = bench(Backend::Cpu, Manner::takes(100_000_000), Manner::takes(1));
    let choice = bench.choose(&large());
    assert_eq!((drawn(&choice, &large()), choice.backend()), (CPU, Backend::Cpu));
    assert_eq!((choice.name(), bench.opened()), ("fake 1".to_owned(), 0));
}

#[test]
fn the_device_is_opened_once_and_never_measured_when_asked_for() {
    let bench = bench(Backend::Gpu, Manner::takes(1), Manner::takes(100_000_000));
    assert_eq!((bench.opened(), bench.pixels()), (0, 0));
    for _ in 0..3 {
        let choice = bench.choose(&large());
        assert_eq!((drawn(&choice, &large()), choice.backend()), (GPU, Backend::Gpu));
        assert_eq!(choice.name(), "fake 2");
    }
    assert_eq!((bench.opened(), bench.pixels()), (1, 3_000));
}

#[test]
fn the_faster_is_kept_for_its_class() {
    for (gpu, faster, cpu_later) in [(1_000_000, GPU, 500_000), (5_000_000, CPU, 10_000_000)] {
        let bench = bench(Backend::Auto, Manner::takes(2_000_000), Manner::takes(gpu));
        assert_eq!(drawn(&bench.choose(&large()), &large()), faster);
        let before = bench.pixels();
        assert!(before < 1_000_000 / 4, "{before} pixels to measure a million");
        // Had it been measured again, the other would be the faster.
        locked(&bench.cpu).megapixel_us = cpu_later;
        assert_eq!(drawn(&bench.choose(&large()), &large()), faster);
        assert_eq!(bench.pixels(), before + 1_000, "nothing but the row");
        let other = view("100", 1_000, 200_000);
        assert_eq!(drawn(&bench.choose(&other), &other), CPU + GPU - faster);
        assert_eq!(bench.opened(), 1);
    }
}

#[test]
fn a_cost_of_each_call_does_not_decide_about_large_pictures() {
    let gpu = Manner { call_us: 20_000, ..Manner::takes(3_000_000) };
    let bench = bench(Backend::Auto, Manner::takes(6_000_000), gpu);
    assert_eq!(drawn(&bench.choose(&large()), &large()), GPU);
}

#[test]
fn what_is_done_once_does_not_decide() {
    let gpu = Manner { first_us: 60_000_000, ..Manner::takes(1_000_000) };
    let bench = bench(Backend::Auto, Manner::takes(2_000_000), gpu);
    assert_eq!(drawn(&bench.choose(&large()), &large()), GPU);
}

#[test]
fn no_device_is_looked_for_before_it_can_pay() {
    let bench = bench(Backend::Auto, Manner::takes(300_000), Manner::takes(1));
    // So few steps that nothing is even estimated.
    let small = view("1", 500, 1_000);
    (0..100).for_each(|_| assert_eq!(drawn(&bench.choose(&small), &small), CPU));
    assert_eq!(bench.pixels(), 100 * 500);
    // Three tenths of a second each: after the fourth the device pays.
    for expected in [CPU, CPU, CPU, GPU] {
        assert_eq!(bench.opened(), 0);
        assert_eq!(drawn(&bench.choose(&large()), &large()), expected);
    }
    assert_eq!(bench.opened(), 1);
}

#[test]
fn a_machine_without_devices_is_not_measured_and_hears_nothing() {
    let bench = bench(Backend::Auto, Manner::takes(2_000_000), Manner::takes(1));
    *locked(&bench.open) = Ok(false);
    let lines = warnings(|| {
        assert_eq!(drawn(&bench.choose(&large()), &large()), CPU);
        let before = bench.pixels();
        assert_eq!(drawn(&bench.choose(&large()), &large()), CPU);
        assert_eq!((bench.opened(), bench.pixels()), (1, before + 1_000));
    });
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn a_missing_device_that_was_asked_for_is_one_warning() {
    let bench = bench(Backend::Gpu, Manner::takes(1), Manner::takes(1));
    *locked(&bench.open) = Err(gone());
    let lines = warnings(|| {
        for _ in 0..4 {
            (0..3).for_each(|_| assert_eq!(drawn(&bench.choose(&large()), &large()), CPU));
            bench.clock.pass(Duration::from_secs(61));
        }
    });
    assert_eq!(bench.opened(), 4, "once in a minute");
    assert!(lines.len() == 1 && lines[0].contains("fell off the bus"), "{lines:?}");
}

#[test]
fn a_device_lost_in_a_picture_leaves_it_to_the_processor() {
    let bench = bench(Backend::Gpu, Manner::takes(1), Manner::takes(1));
    let lines = warnings(|| {
        let (one, two) = (bench.choose(&large()), bench.choose(&large()));
        assert_eq!((drawn(&one, &large()), drawn(&two, &large())), (GPU, GPU));
        locked(&bench.gpu).answer = Err(gone());
        assert_eq!((drawn(&one, &large()), drawn(&two, &large())), (CPU, CPU));
        assert_eq!((one.backend(), one.name().as_str()), (Backend::Cpu, "fake 1"));
        locked(&bench.gpu).answer = Ok(());
        assert_eq!(drawn(&one, &large()), CPU, "to the end");
        assert_eq!(drawn(&bench.choose(&large()), &large()), CPU, "a pause");
        assert_eq!(bench.opened(), 1);
        bench.clock.pass(Duration::from_secs(61));
        assert_eq!(drawn(&bench.choose(&large()), &large()), GPU);
        assert_eq!(bench.opened(), 2);
        // The old one fails once more, which says nothing of the new one.
        bench.backends.lose(one.device.as_ref().expect("a device"), &gone());
        assert_eq!(drawn(&bench.choose(&large()), &large()), GPU);
    });
    assert!(lines.len() == 1 && lines[0].contains("fell off the bus"), "{lines:?}");
}

#[test]
fn a_device_lost_while_it_is_measured_leaves_the_choice_to_the_processor() {
    let lost = Manner { answer: Err(gone()), ..Manner::takes(1) };
    let bench = bench(Backend::Auto, Manner::takes(2_000_000), lost);
    let lines = warnings(|| assert_eq!(drawn(&bench.choose(&large()), &large()), CPU));
    assert_eq!(lines.len(), 1, "{lines:?}");
    locked(&bench.gpu).answer = Ok(());
    bench.clock.pass(Duration::from_secs(61));
    assert_eq!(drawn(&bench.choose(&large()), &large()), GPU, "nothing was kept of the loss");
}

#[test]
fn a_cancelled_call_is_not_made_again() {
    let bench = bench(Backend::Auto, Manner::takes(2_000_000), Manner::takes(1));
    let choice = bench.choose(&large());
    let before = bench.pixels();
    let cancel = AtomicBool::new(true);
    let control = Control { cancel: Some(&cancel), progress: None };
    let all = Region::all(large().viewport());
    let answer = choice.render(&large(), all, Channels::SmoothAndDistance, &control);
    assert_eq!(answer, Err(RenderError::Cancelled));
    assert_eq!((choice.backend(), bench.pixels()), (Backend::Gpu, before));
    let other = view("1e30", 1_000, 2_000);
    let choice = bench.backends.choose(&other, Channels::SmoothAndDistance, &control);
    assert_eq!(choice.err(), Some(RenderError::Cancelled));
}

#[test]
fn while_one_measures_the_others_are_drawn_by_the_processor() {
    let bench = bench(Backend::Auto, Manner::takes(2_000_000), Manner::takes(1));
    let busy = bench.backends.work.lock().unwrap();
    assert_eq!(drawn(&bench.choose(&large()), &large()), CPU);
    assert_eq!(bench.pixels(), 1_000, "nothing was measured");
    drop(busy);
    assert_eq!(drawn(&bench.choose(&large()), &large()), GPU);
}
