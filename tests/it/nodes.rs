//! Several nodes beside their store: what they have to know of each other.

mod inside;
mod line;
