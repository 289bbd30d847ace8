//! Which message of a request counts.
//!
//! NATS gives all messages one order, the same for every reader, and it can be told that a message
//! must follow a certain one. In a cluster it looks whether it does before it has agreed on those that
//! came just before, so that of two writes at the same moment it may take both: always in servers
//! before 2.9.21 and 2.10, and still when the leader changes in later ones (nats-server issues 4320
//! and 8469). An approval and a denial would both have been confirmed.
//!
//! So the order alone decides here. Every record says which event it follows, as its writer knew it.
//! It counts if that is the latest event of the request at its place in the order, and else it never
//! was. All nodes read the same order, and come to the same.

/// The latest event of a request, by the numbers of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    /// The message that counts.
    pub(super) latest: u64,
    /// The one that it follows; zero for none.
    follows: u64,
    /// The last message, which may be one that does not count.
    pub(super) tail: u64,
}

impl Chain {
    /// Takes up the next message of a request; answers whether it counts.
    ///
    /// What a record follows did count, as its writer had seen it do so. So one that follows an event
    /// later than what the latest one follows counts: it follows the latest one; or one that this
    /// reader has missed, because newer messages took its room; or one that was missed and that the
    /// latest one, which only seemed to count, was too late for.
    pub(super) fn take_up(chain: &mut Option<Self>, number: u64, follows: Option<u64>) -> bool {
        let counts = match (&*chain, follows) {
            (None, _) | (Some(_), None) => true,
            (Some(chain), Some(follows)) => chain.follows < follows,
        };
        if counts {
            let before = chain.map_or(0, |chain| chain.latest);
            *chain = Some(Self {
                latest: number,
                follows: follows.unwrap_or(before),
                tail: number,
            });
        } else if let Some(chain) = chain {
            chain.tail = number;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn taken(messages: &[(u64, u64)]) -> (Option<Chain>, Vec<u64>) {
        let mut chain = None;
        let mut counted = Vec::new();
        for (number, follows) in messages {
            if Chain::take_up(&mut chain, *number, Some(*follows)) {
                counted.push(*number);
            }
        }
        (chain, counted)
    }

    #[test]
    fn of_two_that_follow_the_same_the_first_counts() {
        let (chain, counted) = taken(&[(3, 0), (5, 3), (6, 3), (7, 0), (9, 5)]);
        assert_eq!(counted, [3, 5, 9]);
        let chain = chain.unwrap();
        assert_eq!((chain.latest, chain.tail), (9, 9));
        let (chain, _) = taken(&[(3, 0), (5, 3), (6, 3)]);
        let chain = chain.unwrap();
        assert_eq!((chain.latest, chain.tail), (5, 6));
    }

    #[test]
    fn what_another_tool_has_written_counts() {
        let mut chain = None;
        assert!(Chain::take_up(&mut chain, 3, Some(0)));
        assert!(Chain::take_up(&mut chain, 4, None));
        assert!(
            !Chain::take_up(&mut chain, 5, Some(3)),
            "it did not know of it"
        );
        assert!(Chain::take_up(&mut chain, 6, Some(4)));
    }

    #[test]
    fn one_whose_winner_is_gone_counts_only_until_the_next() {
        // 5 and 6 followed 3, 5 counted and is gone, and 8 follows it.
        let (chain, counted) = taken(&[(6, 3), (8, 5)]);
        assert_eq!(counted, [6, 8]);
        assert_eq!(chain.unwrap().latest, 8);
    }

    /// Writers that each know the order up to some place, and write what follows the latest there.
    fn log(behind: &[usize]) -> Vec<(u64, u64)> {
        let mut log: Vec<(u64, u64)> = Vec::new();
        for (n, behind) in behind.iter().enumerate() {
            let known = log.len().saturating_sub(*behind);
            let (chain, _) = taken(&log[..known]);
            log.push((n as u64 + 1, chain.map_or(0, |chain| chain.latest)));
        }
        log
    }

    proptest! {
        #[test]
        fn each_event_is_followed_by_one_at_most(behind in vec(0_usize..5, 1..40)) {
            let log = log(&behind);
            let (_, counted) = taken(&log);
            let mut followed = std::collections::BTreeSet::new();
            for (number, follows) in &log {
                if counted.contains(number) {
                    prop_assert!(followed.insert(*follows), "{follows} is followed twice");
                }
            }
        }

        #[test]
        fn whoever_has_missed_some_comes_to_the_same(
            behind in vec(0_usize..5, 20..60),
            until in 0_usize..20,
            missed in 0_usize..30,
        ) {
            let log = log(&behind);
            let (whole, _) = taken(&log);
            // The last ten are left, as when one reads from the middle.
            let from = (until + missed).min(log.len() - 10);
            let until = until.min(from);
            let part: Vec<_> = log[..until].iter().chain(&log[from..]).copied().collect();
            let (part, _) = taken(&part);
            prop_assert_eq!(whole.map(|chain| chain.latest), part.map(|chain| chain.latest));
        }

        #[test]
        fn whoever_reads_from_the_middle_comes_to_the_same(
            behind in vec(0_usize..5, 20..40),
            from in 0_usize..10,
        ) {
            let log = log(&behind);
            let (whole, _) = taken(&log);
            let (part, _) = taken(&log[from..]);
            // Nobody was further behind than by four, so the last ten are enough.
            prop_assert_eq!(whole.map(|chain| chain.latest), part.map(|chain| chain.latest));
        }
    }
}
