//! Several nodes beside their store: what they have to know of each other.

mod daemons;
mod inside;
mod line;
