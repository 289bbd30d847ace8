//! Real reverse proxies in front of the daemon, set up by the very lines of the documents.

mod journeys;
mod long;
mod proxy;
