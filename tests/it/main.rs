//! The suite from the outside: real programs, real sockets.
//!
//! First the tools that the tests share, then the tests. Nothing here sleeps for a while and
//! hopes: tests wait for conditions, each with a deadline. Every daemon listens on a free port,
//! keeps its files in a directory of its own, and is killed when its test ends.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that cannot go on has failed, and the place says why"
)]

mod authority;
mod browser;
mod call;
mod daemon;
mod document;
mod front;
#[path = "../../src/store/nats/server.rs"]
mod nats_server;
mod people;
mod programs;
mod pty;
mod raw;
mod stream;
mod until;

mod approval;
mod approver_program;
mod approver_terminal;
mod arrival;
mod audit;
mod classic;
mod cluster;
mod connected;
mod consume;
mod contract;
mod copies;
mod curl;
mod departures;
mod doctor;
mod event_stream;
mod faults;
mod frugal;
mod full_disk;
mod handbook;
mod idle;
mod in_process;
mod interrupts;
mod later;
mod leases;
mod limits;
mod long_poll;
mod matching;
mod metrics;
mod nodes;
mod notices;
mod openapi;
mod operations;
mod origins;
mod pages;
mod peers;
mod policy;
mod proxies;
mod qr;
mod quotas;
mod recipes;
mod relay;
mod rights;
mod secrets;
mod service_manager;
mod several_urls;
mod shutdown;
mod soak;
mod sse;
mod terms;
mod tls;
mod trouble;
mod unix;
mod votes;
mod wrap;
