use futures_util::FutureExt;
use tokio::time::advance;

use super::*;

const ROOM: usize = 10 * limits::LOAD_OVERHEAD;

fn is_cut(carrier: &Carrier) -> bool {
    carrier.cut().now_or_never().is_some()
}

#[tokio::test]
async fn the_connection_with_the_oldest_load_goes_when_there_is_no_more_room() {
    let burden = Burden::new(ROOM);
    let [slow, healthy, other] = [(); 3].map(|()| burden.carrier());
    let old = slow.hold(4 * limits::LOAD_OVERHEAD);
    for _ in 0..100 {
        drop(healthy.hold(4 * limits::LOAD_OVERHEAD));
    }
    assert!(!is_cut(&slow));
    let new = healthy.hold(5 * limits::LOAD_OVERHEAD);
    assert!(is_cut(&slow) && !is_cut(&healthy) && !is_cut(&other));
    // What the one that goes still brings and takes away counts no more.
    let more = slow.hold(ROOM);
    drop((old, more));
    assert_eq!(burden.bytes(), 6 * limits::LOAD_OVERHEAD);
    drop(new);
    assert_eq!(burden.bytes(), 0);
    assert!(!is_cut(&healthy));
}

#[tokio::test]
async fn all_loads_of_a_connection_go_with_it_and_no_further_connection_for_them() {
    let burden = Burden::new(ROOM);
    let [slow, next, healthy] = [(); 3].map(|()| burden.carrier());
    let mut loads: Vec<_> = (0..4).map(|_| slow.hold(0)).collect();
    loads.extend((0..4).map(|_| next.hold(0)));
    loads.extend((0..2).map(|_| slow.hold(0)));
    let last = healthy.hold(0);
    assert!(is_cut(&slow) && !is_cut(&next) && !is_cut(&healthy));
    assert_eq!(burden.bytes(), 5 * limits::LOAD_OVERHEAD);
    drop((loads, last));
    assert_eq!(burden.bytes(), 0);
}

#[tokio::test]
async fn a_load_that_grows_keeps_its_age() {
    let burden = Burden::new(ROOM);
    let [slow, other] = [(); 2].map(|()| burden.carrier());
    let mut growing = slow.hold(0);
    let _small = other.hold(0);
    for _ in 0..8 {
        growing.grow(limits::LOAD_OVERHEAD);
        assert!(!is_cut(&slow));
    }
    growing.grow(1);
    assert!(is_cut(&slow) && !is_cut(&other));
}

#[tokio::test]
async fn what_is_kept_is_taken_in_pieces_and_counts_until_the_last_is_gone() {
    let burden = Burden::new(ROOM);
    let carrier = burden.carrier();
    let text: Vec<_> = (0..10).collect();
    let kept = carrier.keep(Bytes::from(text));
    let (Piece::Some(first), Some(kept)) = kept.take(4) else {
        panic!("there is more");
    };
    assert_eq!(burden.bytes(), limits::LOAD_OVERHEAD + 10);
    let (Piece::Some(second), Some(kept)) = kept.take(4) else {
        panic!("there is more");
    };
    let (Piece::Rest(third, load), None) = kept.take(4) else {
        panic!("there is no more");
    };
    assert_eq!(
        [first, second, third.clone()].concat(),
        (0..10).collect::<Vec<_>>()
    );
    assert_eq!(burden.bytes(), limits::LOAD_OVERHEAD + 2);
    drop(load);
    assert_eq!(burden.bytes(), 0);
}

#[tokio::test]
async fn what_is_kept_is_gone_in_the_moment_of_the_cut() {
    let burden = Burden::new(ROOM);
    let [slow, other] = [(); 2].map(|()| burden.carrier());
    let text = Bytes::from(vec![7; limits::LOAD_OVERHEAD]);
    let kept = slow.keep(text.clone());
    assert_eq!(burden.bytes(), 2 * limits::LOAD_OVERHEAD);
    assert!(!text.is_unique());
    let _full = other.hold(9 * limits::LOAD_OVERHEAD);
    assert!(is_cut(&slow) && text.is_unique());
    assert!(matches!(kept.take(1), (Piece::Cut, None)));
    let late = slow.keep(text.clone());
    assert!(text.is_unique());
    assert!(matches!(late.take(1), (Piece::Cut, None)));
}

/// Frames that streams share counted as nothing, also when the hub had given them up long ago and
/// slow readers alone held them.
#[tokio::test]
async fn what_is_shared_counts_once_until_the_last_has_let_it_go() {
    let burden = Burden::new(ROOM);
    let [one, two, three] = [(); 3].map(|()| burden.carrier());
    let size = 2 * limits::LOAD_OVERHEAD;
    let frame = Bytes::from(vec![7; size]);
    let held = [&one, &two].map(|carrier| carrier.keep(frame.clone()));
    drop(frame);
    assert_eq!(burden.bytes(), size + 2 * limits::LOAD_OVERHEAD);
    let [first, second] = held;
    let (Piece::Rest(whole, load), None) = first.take(size) else {
        panic!("it fits into one piece");
    };
    assert_eq!(burden.bytes(), size + 2 * limits::LOAD_OVERHEAD);
    let (Piece::Some(_), Some(second)) = second.take(size - 1) else {
        panic!("there is more");
    };
    drop((whole, load));
    assert_eq!(burden.bytes(), size + limits::LOAD_OVERHEAD, "one has it");
    let (Piece::Rest(_, load), None) = second.take(1) else {
        panic!("there is no more");
    };
    assert_eq!(burden.bytes(), 1 + limits::LOAD_OVERHEAD, "a copy is left");
    drop(load);
    assert_eq!(burden.bytes(), 0);

    // Whoever holds others' frames has to go for them as for its own.
    let frame = Bytes::from(vec![7; 5 * limits::LOAD_OVERHEAD]);
    let held = [&one, &two].map(|carrier| carrier.keep(frame.clone()));
    drop(frame);
    let large = three.hold(5 * limits::LOAD_OVERHEAD);
    assert!(is_cut(&one) && is_cut(&two) && !is_cut(&three));
    assert_eq!(burden.bytes(), 6 * limits::LOAD_OVERHEAD);
    drop((held, large));
    assert_eq!(burden.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_load_may_take_the_longer_the_larger_it_is_and_no_longer() {
    let burden = Burden::new(usize::MAX);
    let watched = Arc::clone(&burden);
    let watch = tokio::spawn(async move { watched.watch().await });
    tokio::task::yield_now().await;
    let [small, large, healthy] = [(); 3].map(|()| burden.carrier());
    let loads = (small.hold(0), large.hold(60 * limits::LOAD_RATE));
    advance(limits::LOAD_TIME.mul_f32(0.9)).await;
    let young = healthy.hold(0);
    assert!(!is_cut(&small) && !is_cut(&large));
    small.cut().await;
    assert!(!is_cut(&large));
    drop(young);
    let before = Instant::now();
    large.cut().await;
    let took = before.elapsed();
    assert!((59..=63).contains(&took.as_secs()), "{took:?}");
    assert!(!is_cut(&healthy));
    drop(loads);
    // After a time with nothing held it still watches.
    advance(Duration::from_hours(1)).await;
    let again = healthy.hold(0);
    healthy.cut().await;
    drop(again);
    watch.abort();
}
