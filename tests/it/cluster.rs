//! Several daemons on one cluster of real `nats-server`s.
//!
//! The attack is that of [`faults`](crate::faults), with the same checker:
//! `PUSHD_CLUSTER_RUNS` says how many runs there are, from the seed `PUSHD_CLUSTER_SEED` on,
//! `PUSHD_CLUSTER_JOBS` how many at a time, `PUSHD_CLUSTER_SECS` for how long each breaks things,
//! and `PUSHD_CLUSTER_REQUESTERS` how many run `requester` meanwhile.

mod bucket;
mod chaos;
mod ends;
mod majority;
mod moving;
mod nodes;
mod run;
mod servers;
mod skew;

use crate::faults::Series;

const CLUSTER: Series = Series {
    settings: "PUSHD_CLUSTER",
    runs: 2,
    jobs: 2,
};

#[test]
fn the_promises_hold_on_a_cluster_whatever_breaks() {
    CLUSTER.attack(
        "cluster::the_promises_hold_on_a_cluster",
        run::with_a_cluster,
    );
}
