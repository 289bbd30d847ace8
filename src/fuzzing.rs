//! What must hold for any bytes whatever: the ways in that strangers have, each with the
//! invariants that are checked there.
//!
//! Built for tests and for the fuzzer only. The targets stand beside what they attack, where they
//! reach private parsers; here is the list of them. `fuzz/` runs them with libFuzzer
//! (`scripts/fuzz.sh`), and the tests below run them over the same seeds and over random changes
//! of them, so that every run of the suite attacks them too.

mod dice;

pub use dice::Dice;

pub use crate::cli::approver::fuzzing::screens;
pub use crate::cli::requester::fuzzing::flags;
pub use crate::client::fuzzing::{streams, urls};
pub use crate::http::fuzzing::{calls, headers};
pub use crate::nodes::fuzzing::messages;
pub use crate::store::fuzzing::records;

/// Tries one input; panics when an invariant does not hold.
pub type Target = fn(&[u8]);

/// All targets, by the names of their folders in `fuzz/seeds`.
pub const TARGETS: [(&str, Target); 8] = [
    ("calls", calls),
    ("flags", flags),
    ("headers", headers),
    ("messages", messages),
    ("records", records),
    ("screens", screens),
    ("streams", streams),
    ("urls", urls),
];

#[cfg(test)]
mod tests;
