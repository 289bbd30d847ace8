//! What people see and type.
//!
//! Strangers' text goes through [`printable`] before it is measured, laid out or painted; nothing
//! here knows what a request is.

pub mod lines;
pub mod locale;
pub mod measure;
pub mod printable;
pub mod qr;
pub mod quoted;
pub mod row;
pub mod screen;
pub mod spinner;
pub mod style;
pub mod tty;
