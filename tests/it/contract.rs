//! The calls about requests, one after another: what a client may rely on.

mod asking;
mod bare_http;
mod deciding;
mod listing;
mod malformed;
mod reading;
mod texts;
