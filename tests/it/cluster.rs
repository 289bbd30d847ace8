//! Several daemons on one cluster of real `nats-server`s.

mod servers;
