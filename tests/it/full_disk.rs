//! A disk that is full, and has room again: what is acknowledged stays, what cannot be written is
//! refused, and all comes back by itself.
//!
//! A limit on the size of files stands for the disk, because it can be set and lifted everywhere;
//! where a small file system may be mounted, one is filled up for real.

mod journeys;
mod log;
mod room;
