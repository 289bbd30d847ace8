//! Who may do what: every call by every role, and tokens that come and go.

mod ends;
mod table;
