//! The targets on the seeds, and on random changes of them.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Dice, TARGETS, Target};

/// Bytes that mean something to one parser or another.
const TOKENS: [&[u8]; 24] = [
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b":",
    b"\"",
    b"\\u",
    b"\0",
    b"\x1b[",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xe2\x80\xae",
    b"\xcc\x81",
    b"{",
    b"}",
    b"[",
    b",",
    b"=",
    b";",
    b"-",
    b"%",
    b"null",
    b"18446744073709551616",
    b"wait=",
    b"data: ",
];

/// One change of an input.
#[derive(Clone, Debug)]
struct Change {
    kind: u8,
    at: prop::sample::Index,
    other: prop::sample::Index,
    bytes: Vec<u8>,
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        3 => prop::sample::select(TOKENS.to_vec()).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 1..5),
    ];
    let places = (any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (0_u8..5, places, bytes).prop_map(|(kind, (at, other), bytes)| Change {
        kind,
        at,
        other,
        bytes,
    })
}

impl Change {
    fn of(&self, input: &mut Vec<u8>) {
        let (at, other) = (
            self.at.index(input.len() + 1),
            self.other.index(input.len() + 1),
        );
        let (from, to) = (at.min(other), at.max(other));
        match self.kind {
            // Insert, replace, delete, repeat, cut off.
            0 => drop(input.splice(at..at, self.bytes.iter().copied())),
            1 => {
                let end = (at + self.bytes.len()).min(input.len());
                drop(input.splice(at..end, self.bytes.iter().copied()));
            }
            2 => drop(input.drain(from..to)),
            3 => {
                let part = input[from..to].to_vec();
                drop(input.splice(at..at, part));
            }
            _ => input.truncate(to),
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz", "seeds", target]
        .iter()
        .collect();
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Runs a target on its seeds, and on changes of them.
fn attack(name: &str) {
    let (_, target): (_, Target) = *TARGETS.iter().find(|(it, _)| *it == name).unwrap();
    let seeds = seeds(name);
    assert!(!seeds.is_empty());
    target(b"");
    for seed in &seeds {
        target(seed);
    }
    let config = Config {
        failure_persistence: None,
        // The panic of an invariant says more than its last, smallest repetition.
        max_shrink_iters: 2000,
        ..Config::default()
    };
    let inputs = (prop::sample::select(seeds), vec(change(), 1..8)).prop_map(|(seed, changes)| {
        let mut input = seed;
        for change in &changes {
            change.of(&mut input);
        }
        input.truncate(16 * 1024);
        Input(input)
    });
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        target(&input.0);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Bytes that are shown as text, so that a failure can become a seed.
#[derive(Clone)]
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

#[test]
fn calls() {
    attack("calls");
}

#[test]
fn flags() {
    attack("flags");
}

#[test]
fn headers() {
    attack("headers");
}

#[test]
fn messages() {
    attack("messages");
}

#[test]
fn records() {
    attack("records");
}

#[test]
fn screens() {
    attack("screens");
}

#[test]
fn streams() {
    attack("streams");
}

#[test]
fn urls() {
    attack("urls");
}

#[test]
fn each_target_has_seeds_and_a_program_for_the_fuzzer() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fuzz"].iter().collect();
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(!seeds(name).is_empty());
        assert!(
            folder.join(format!("fuzz_targets/{name}.rs")).exists(),
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    let mut dice = Dice::new(1);
    assert!((0..100).all(|_| dice.below(3) < 3));
}
