//! Slow and hostile peers: what they cost, and that nobody else notices them.
//!
//! Each scenario counts the daemon's memory, descriptors and threads before, lets peers be as bad
//! as they can while a healthy client gets its approvals, and finds everything as it was once they
//! have gone.

mod bodies;
mod census;
mod crowd;
mod descriptors;
mod floods;
mod healthy;
mod hostile;
mod http2;
mod load;
mod readers;
mod silent;
mod streams;
mod vanished;
