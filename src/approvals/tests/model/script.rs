//! What may happen in a random life.

use proptest::prelude::*;

use crate::domain::Status;

/// Who asks and who decides.
pub(super) const PEOPLE: [&str; 3] = ["ci", "alice", "bob"];

/// One thing that happens. A slot is one of the requests so far, or one that is not there.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Somebody asks, possibly under a key that was used before.
    Ask {
        who: usize,
        key: Option<u8>,
        title: u8,
        life: u64,
    },
    /// Somebody decides; `shown` is how far the version on the screen is off.
    Decide {
        slot: usize,
        who: usize,
        yes: bool,
        shown: Option<u64>,
    },
    Cancel {
        slot: usize,
        who: usize,
    },
    See {
        slot: usize,
        who: usize,
    },
    Read {
        slot: usize,
        waits: bool,
    },
    /// Somebody begins to wait for the end, and goes on waiting.
    Park {
        slot: usize,
    },
    /// Time passes.
    Pass {
        secs: u64,
    },
    List {
        status: Option<Status>,
    },
    /// The sweep expires what is overdue.
    Sweep,
    /// What has been settled for so long is forgotten.
    Purge {
        secs: u64,
    },
    /// The daemon ends and begins again.
    Restart,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (slot, who) = (0_usize..6, 0..PEOPLE.len());
    let ask = (who.clone(), prop::option::of(0_u8..3), 0_u8..2, 1_u64..40);
    let shown = prop::option::weighted(0.4, prop_oneof![2 => Just(0_u64), 1 => Just(1)]);
    let decide = (slot.clone(), who.clone(), any::<bool>(), shown);
    let both = (slot.clone(), who);
    let statuses = [
        Status::Pending,
        Status::Approved,
        Status::Expired,
        Status::Cancelled,
    ];
    prop_oneof![
        6 => ask.prop_map(|(who, key, title, life)| Step::Ask { who, key, title, life }),
        6 => decide.prop_map(|(slot, who, yes, shown)| Step::Decide { slot, who, yes, shown }),
        2 => both.clone().prop_map(|(slot, who)| Step::Cancel { slot, who }),
        3 => both.prop_map(|(slot, who)| Step::See { slot, who }),
        2 => (slot.clone(), any::<bool>()).prop_map(|(slot, waits)| Step::Read { slot, waits }),
        3 => slot.prop_map(|slot| Step::Park { slot }),
        4 => (0_u64..30).prop_map(|secs| Step::Pass { secs }),
        1 => prop::option::of(prop::sample::select(statuses.to_vec()))
            .prop_map(|status| Step::List { status }),
        1 => Just(Step::Sweep),
        1 => (0_u64..30).prop_map(|secs| Step::Purge { secs }),
        1 => Just(Step::Restart),
    ]
}
