//! HTTP/2 written by hand (RFC 9113), for what no client would say.

/// The type of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frame {
    Headers = 1,
    Reset = 3,
    Settings = 4,
    Ping = 6,
    Continuation = 9,
}

/// The last frame of a header block.
pub(super) const END_HEADERS: u8 = 4;
/// The last frame of a call.
pub(super) const END_STREAM: u8 = 1;
/// The setting for the window of new streams.
pub(super) const INITIAL_WINDOW: u16 = 4;

/// One frame.
pub(super) fn frame(kind: Frame, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind as u8, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What a client begins with.
pub(super) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    let settings = frame(Frame::Settings, 0, 0, &payload);
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()
}

/// The number of a client's stream.
pub(super) const fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// A header block by RFC 7541: two indexed fields, then literal ones that are not remembered.
pub(super) fn block(method: u8, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    // ":method" is GET (0x82) or POST (0x83), ":scheme" is http, ":path" and ":authority" are
    // names 4 and 1 of the static table.
    let mut block = vec![method, 0x86];
    let text = |text: &str| {
        let length = u8::try_from(text.len()).expect("short texts only");
        assert!(length < 127, "a longer one has a longer length");
        [&[length], text.as_bytes()].concat()
    };
    block.extend([&[0x04], &text(path)[..]].concat());
    block.extend([&[0x01], &text("localhost")[..]].concat());
    for (name, value) in more {
        block.extend([&[0x00], &text(name)[..], &text(value)].concat());
    }
    block
}

/// A whole call by GET on the stream of this number.
pub(super) fn get(number: u32, path: &str) -> Vec<u8> {
    let flags = END_HEADERS | END_STREAM;
    frame(
        Frame::Headers,
        flags,
        stream(number),
        &block(0x82, path, &[]),
    )
}

/// Takes a stream back.
pub(super) fn reset(number: u32) -> Vec<u8> {
    frame(Frame::Reset, 0, stream(number), &8_u32.to_be_bytes())
}
