use proptest::prelude::*;

use super::*;

const CAP: usize = 64;

/// All that a stream says when its bytes come in these chunks.
fn read(chunks: &[&[u8]]) -> (Vec<Frame>, Framer) {
    let mut framer = Framer::new(CAP, "seed".to_owned());
    for chunk in chunks {
        framer.push(chunk);
    }
    (std::iter::from_fn(|| framer.pop()).collect(), framer)
}

fn frames(text: &str) -> Vec<Frame> {
    read(&[text.as_bytes()]).0
}

fn event(name: &str, data: &str) -> Frame {
    Frame::Event {
        name: name.to_owned(),
        data: data.to_owned(),
    }
}

#[test]
fn the_examples_of_the_standard_are_read_as_it_says() {
    assert_eq!(
        frames("data: YHOO\ndata: +2\ndata: 10\n\n"),
        [event("message", "YHOO\n+2\n10")]
    );
    let (events, framer) =
        read(&[b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"]);
    let expected =
        ["first event", "second event", " third event"].map(|data| event("message", data));
    assert_eq!(events, expected);
    assert_eq!(framer.last_id(), "");
    assert_eq!(
        frames("data\n\ndata\ndata\n\ndata:"),
        [event("message", ""), event("message", "\n")]
    );
    assert_eq!(
        frames("data:test\n\ndata: test\n\n"),
        [event("message", "test"), event("message", "test")]
    );
    assert_eq!(
        frames("event: a\ndata: 1\n\nevent: b\n\ndata: 2\n\n"),
        [event("a", "1"), event("message", "2")]
    );
}

/// The streams that `tests/it` gives to a browser as well, so that what is expected is not ours
/// alone. Their bytes are written as the characters of the same numbers.
#[test]
fn a_browser_s_streams_are_read_as_the_browser_reads_them() {
    let streams = include_str!("../../../../tests/streams.json");
    let streams: Vec<serde_json::Value> = serde_json::from_str(streams).unwrap();
    for stream in streams {
        let chars = stream["bytes"].as_str().unwrap().chars();
        let mut framer = Framer::new(1024 * 1024, String::new());
        let mut events = Vec::new();
        for byte in chars.map(|c| u8::try_from(u32::from(c)).unwrap()) {
            framer.push(&[byte]);
            while let Some(Frame::Event { name, data }) = framer.pop() {
                events.push(serde_json::json!([name, data, framer.last_id()]));
            }
        }
        assert_eq!(events, *stream["events"].as_array().unwrap(), "{stream}");
    }
}

/// A stream with every kind of line, whose meaning must not depend on how it arrives.
fn sample(end: &str) -> Vec<u8> {
    let lines = [
        ": größer",
        "retry: 700",
        "event: request",
        "id: 7-1",
        "data: {\"a\": \"é部🚀\"}",
        "",
        ":",
        "",
        "id: 7-2",
        "",
        "event: caught-up",
        "data:x",
        "data",
        "unknown: y",
        "",
        "data: lost",
    ];
    let mut bytes = BOM.to_vec();
    bytes.extend_from_slice(lines.join(end).as_bytes());
    bytes
}

#[test]
fn every_split_and_every_line_ending_reads_the_same() {
    for end in ["\n", "\r", "\r\n"] {
        let bytes = sample(end);
        for split in 0..=bytes.len() {
            let (one, two) = bytes.split_at(split);
            let (events, framer) = read(&[one, b"", two]);
            let expected = [
                event("request", "{\"a\": \"é部🚀\"}"),
                event("caught-up", "x\n"),
            ];
            assert_eq!(events, expected, "{end:?} at {split}");
            assert_eq!(framer.last_id(), "7-2");
            assert_eq!(framer.retry(), Some(Duration::from_millis(700)));
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(read(&single).0.len(), 2, "{end:?}");
    }
}

#[test]
fn a_byte_order_mark_counts_at_the_very_start_only() {
    assert_eq!(frames("\u{feff}data: a\n\n"), [event("message", "a")]);
    // The second one is a part of an unknown field's name, and no reason to panic.
    assert_eq!(frames("\u{feff}\u{feff}data: a\n\n"), []);
    assert_eq!(
        frames("data: a\n\n\u{feff}data: b\n\n"),
        [event("message", "a")]
    );
    assert_eq!(read(&[b"\xef\xbb", b"data: a\n\n"]).0, []);
    assert_eq!(read(&[b"\xef"]).0, []);
}

#[test]
fn an_id_counts_when_its_event_is_complete() {
    let id = |text: &str| read(&[text.as_bytes()]).1.last_id().to_owned();
    assert_eq!(id(""), "seed");
    assert_eq!(id("id: 2\ndata: x\n"), "seed");
    assert_eq!(id("id: 2\n\n"), "2");
    assert_eq!(id("id: 2\ndata: x\n\ndata: y\n\n"), "2");
    assert_eq!(id("id: 2\n\nid\n\n"), "");
    assert_eq!(id("id:\n\n"), "");
    assert_eq!(id("id: 2\n\nid: a\0b\n\n"), "2");
    assert_eq!(id("id:  ü/? \n\n"), " ü/? ");
}

#[test]
fn retry_is_digits_and_nothing_else() {
    let retry = |text: &str| read(&[text.as_bytes()]).1.retry();
    assert_eq!(retry("retry: 5\n"), Some(Duration::from_millis(5)));
    for bad in [
        "retry:+5\n",
        "retry: -5\n",
        "retry: 5 \n",
        "retry\n",
        "retry: 1.5\n",
        "retry: ٥\n",
        "retry: 5",
    ] {
        assert_eq!(retry(bad), None, "{bad:?}");
    }
    assert_eq!(
        retry("retry: 5\nretry: x\n"),
        Some(Duration::from_millis(5))
    );
    assert!(retry("retry: 99999999999999999999999\n") > Some(Duration::from_hours(1)));
}

#[test]
fn an_event_above_the_cap_is_skipped_to_its_end() {
    let long = "x".repeat(CAP);
    let text = format!("data: a\n\nid: 3\ndata: {long}\ndata: y\nid: 4\nretry: 9\n\ndata: b\n\n");
    let (events, framer) = read(&[text.as_bytes()]);
    assert_eq!(
        events,
        [
            event("message", "a"),
            Frame::Skipped(CAP),
            event("message", "b")
        ]
    );
    assert_eq!(framer.last_id(), "4");
    assert_eq!(framer.retry(), Some(Duration::from_millis(9)));
    let many = "data: 1\n".repeat(CAP);
    assert_eq!(
        frames(&format!("{many}\ndata: b\n\n")),
        [Frame::Skipped(CAP), event("message", "b")]
    );
}

#[test]
fn what_is_not_part_of_an_event_has_no_bound_but_is_not_kept() {
    let long = "x".repeat(CAP * 100);
    let text = format!(":{long}\nfoo: y\ndata: a\n\n");
    assert_eq!(frames(&text), [event("message", "a")]);
    let comments = ": keep-alive\n".repeat(100);
    assert_eq!(
        frames(&format!("{comments}data: a\n\n")),
        [event("message", "a")]
    );
    let (_, framer) = read(&[long.as_bytes(), long.as_bytes()]);
    assert!(
        framer.line.capacity() <= SHORT_LINE.max(2 * CAP),
        "{}",
        framer.line.capacity()
    );
}

#[test]
fn an_event_of_many_lines_takes_linear_time() {
    // Given to eventsource-stream as one chunk, this is half a terabyte of copying.
    let mut framer = Framer::new(1024 * 1024, String::new());
    framer.push("data\n".repeat(200_000).as_bytes());
    framer.push(b"\n");
    assert!(matches!(framer.pop(), Some(Frame::Event { data, .. }) if data.len() == 199_999));
}

// A server that named one long id and then sent line feeds had `approver` copy that id for each of
// them: a processor was busy for minutes with what came in a second.
#[test]
fn blank_lines_after_a_long_id_take_linear_time() {
    let megabytes = 4 << 20;
    let mut framer = Framer::new(megabytes, String::new());
    framer.push(format!("id: {}\n", "7".repeat(megabytes - 4)).as_bytes());
    framer.push("\n".repeat(megabytes).as_bytes());
    assert_eq!(framer.last_id().len(), megabytes - 4);
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    assert_eq!(
        read(&[b"data: a\xffb\n\n"]).0,
        [event("message", "a\u{fffd}b")]
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_depend_on_where_they_are_split(
        bytes in prop::collection::vec(
            prop_oneof![
                any::<u8>(), Just(b'\n'), Just(b'\r'), Just(b':'), Just(0xef), Just(0xbb), Just(0xbf),
            ],
            0..200,
        ),
        split in 0_usize..200,
    ) {
        let (one, two) = bytes.split_at(split.min(bytes.len()));
        prop_assert_eq!(read(&[one, two]).0, read(&[&bytes]).0);
    }
}
