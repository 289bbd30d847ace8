//! What people see and type.

pub mod printable;
pub mod spinner;
