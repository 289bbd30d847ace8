//! Who may do what: every call by every role, and tokens that come and go.

mod clients;
mod ends;
mod file;
mod profiles;
mod table;
