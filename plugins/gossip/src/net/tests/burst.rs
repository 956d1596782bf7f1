//! Eight nodes: a burst, copies, latency.

use super::*;

fn frame(from: usize, n: u32) -> Vec<u8> {
    let mut bytes = vec![from as u8; 300];
    bytes[1..5].copy_from_slice(&n.to_be_bytes());
    bytes
}

#[test]
fn a_burst_reaches_everyone() {
    const FRAMES: u32 = 4_000;
    let mut members = Member::star(8);
    until_meshed(&mut members, 2);
    let before: Vec<(u64, u64)> = members.iter().map(figures).collect();
    let begin = Instant::now();
    for n in 0..FRAMES {
        while members[3].net.publish(0, frame(3, n)) == Err(NotSent::Busy) {
            members[3].hear(Duration::from_millis(1));
        }
    }
    all_until(&mut members, "every frame everywhere", |members| {
        let others = members.iter().enumerate().filter(|(n, _)| *n != 3);
        members[3].published.len() == FRAMES as usize
            && others.map(|(_, member)| member.frames.len()).min() == Some(FRAMES as usize)
    });
    assert!(members[3].published.iter().all(Result::is_ok), "every one was published");
    let took = begin.elapsed();
    let after: Vec<(u64, u64)> = members.iter().map(figures).collect();
    let (frames, copies) = before
        .iter()
        .zip(&after)
        .fold((0, 0), |(frames, copies), (b, a)| (frames + a.0 - b.0, copies + a.1 - b.1));
    let per_delivery = copies as f64 / frames as f64;
    println!("{frames} deliveries in {took:?}, {per_delivery:.2} copies each");
    assert_eq!(frames, u64::from(FRAMES) * 7);
    assert!(per_delivery <= 3.0, "{per_delivery}");
}

fn figures(member: &Member) -> (u64, u64) {
    (member.net.counters().frames(), member.net.counters().copies())
}
