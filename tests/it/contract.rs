//! The calls about requests, one after another: what a client may rely on.

mod asking;
mod deciding;
mod listing;
mod malformed;
mod reading;
mod texts;
