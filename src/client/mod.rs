//! The daemon, as a client sees it: typed calls, retries, and the stream.
