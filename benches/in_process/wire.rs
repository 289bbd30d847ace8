//! What travels: bodies read and written.

use std::hint::black_box;

use pushd::domain::Event;
use pushd::http::checked_ask;
use pushd::store::record;
use pushd::wire::strict::Object;
use pushd::wire::{AskBody, DecisionBody, Rendering};

use crate::case::{Case, Operation};
use crate::samples::{LARGE, approved, ask_json, event, id, pending, pending_with};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("wire/view of a pending request", |_| {
            viewed(event(1, pending(1)))
        }),
        Case::new("wire/view of an approved request, with history", |_| {
            viewed(event(2, approved(&pending(1))))
        }),
        Case::new("wire/view with 64 KiB of details", |_| {
            viewed(event(1, pending_with(LARGE)))
        }),
        Case::new("wire/read an ask", |_| asked(ask_json(0))),
        Case::new("wire/read an ask with 64 KiB of details", |_| {
            asked(ask_json(LARGE))
        }),
        Case::new("wire/read a decision", |_| {
            let body = br#"{"verdict":"approve"}"#;
            Box::new(move || {
                let Object::<DecisionBody>(decision) =
                    serde_json::from_slice(black_box(body)).expect("it is a decision");
                black_box(decision);
            })
        }),
        Case::new("wire/write a record", |_| {
            let request = approved(&pending(1));
            Box::new(move || {
                black_box(record::encode(black_box(&request)));
            })
        }),
        Case::new("wire/read a record", |_| {
            let bytes = record::encode(&approved(&pending(1)));
            Box::new(move || {
                black_box(record::decode(id(1), black_box(&bytes)).expect("it is a record"));
            })
        }),
    ]
}

fn viewed(event: Event) -> Operation {
    Box::new(move || {
        black_box(Rendering::of(black_box(&event)));
    })
}

fn asked(body: String) -> Operation {
    Box::new(move || {
        let Object::<AskBody>(ask) = serde_json::from_str(black_box(&body)).expect("it is an ask");
        black_box(checked_ask(ask).expect("the domain takes it"));
    })
}
