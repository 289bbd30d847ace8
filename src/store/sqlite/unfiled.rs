//! Requests that no index for lists has yet, in memory.
//!
//! A request that is asked and decided within seconds would be put into every index, and be moved
//! in each of them by the decision: most of what a commit writes to the disk. So a request is filed
//! into the indexes only some time after it is settled, many at once. Until then a list finds it
//! here, with all pending requests. What stands here are the columns of the rows, in the orders in
//! which they are looked for; whoever wants more reads the row.
//!
//! A reader looks here first and then at the database, which never lags behind: what is no longer
//! here by then has been filed, and what has changed is read as it stands. What is filed never comes
//! here again: a commit to it, such as a use of an approval, moves it within the indexes. So nothing
//! is missed, and what is found twice has the same place in the list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use rusqlite::{Connection, Row};

use super::rows::event_id;
use crate::domain::{Event, EventId, Principal, RequestId, Rights, Status, Timestamp, Topic};
use crate::store::{ListQuery, Place, Range};

/// All rows that are not filed.
#[derive(Debug, Default)]
pub(super) struct Unfiled {
    pending: Shelf,
    settled: Shelf,
    by_expiry: BTreeSet<(Timestamp, RequestId)>,
}

/// Rows in the orders in which they are looked for.
#[derive(Debug, Default)]
struct Shelf {
    slips: BTreeMap<EventId, Slip>,
    events: HashMap<RequestId, EventId>,
    by_place: BTreeMap<Place, EventId>,
    by_topic: BTreeMap<Arc<Topic>, BTreeMap<Place, EventId>>,
    by_requester: BTreeMap<Arc<Principal>, BTreeMap<Place, EventId>>,
}

/// The columns of a row.
#[derive(Debug)]
struct Slip {
    place: Place,
    topic: Arc<Topic>,
    requester: Arc<Principal>,
    /// `None` where the column is damaged.
    status: Option<Status>,
    expires_at: Timestamp,
}

/// The newest of what a list asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Newest first.
    pub(super) rows: Vec<(Place, EventId)>,
    /// There are more behind them.
    pub(super) more: bool,
}

const LOAD: &str = "SELECT event_id, id, topic, requester, status, created_at, expires_at \
     FROM requests INDEXED BY unfiled WHERE filed = 0";

impl Unfiled {
    /// Reads what is not filed, from a connection that nobody else writes beside.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut unfiled = Self::default();
        let mut statement = connection.prepare(LOAD)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            unfiled.add(event_id(row.get(0)?), slip(row)?);
        }
        Ok(unfiled)
    }

    /// Takes up a commit: it is the latest of its request.
    pub(super) fn put(&mut self, event: &Event) {
        let request = &event.request;
        let id = &request.id;
        let earlier = self
            .pending
            .events
            .get(id)
            .or_else(|| self.settled.events.get(id));
        if let Some(earlier) = earlier.copied() {
            self.remove(earlier);
        }
        let slip = Slip {
            place: Place::of(request),
            topic: Arc::new(request.topic.clone()),
            requester: Arc::new(request.requester.principal.clone()),
            status: Some(request.status),
            expires_at: request.expires_at,
        };
        self.add(event.id, slip);
    }

    fn add(&mut self, event: EventId, slip: Slip) {
        if slip.status == Some(Status::Pending) {
            self.by_expiry.insert((slip.expires_at, slip.place.id));
            self.pending.add(event, slip);
        } else {
            self.settled.add(event, slip);
        }
    }

    /// These rows are filed, or gone.
    pub(super) fn remove(&mut self, event: EventId) {
        if let Some(slip) = self.pending.remove(event) {
            self.by_expiry.remove(&(slip.expires_at, slip.place.id));
        } else {
            self.settled.remove(event);
        }
    }

    /// The longest settled of all but the last `keep` settled rows.
    pub(super) fn to_be_filed(&self, keep: usize) -> Vec<EventId> {
        let count = self.settled.slips.len().saturating_sub(keep);
        self.settled.slips.keys().take(count).copied().collect()
    }

    /// How many requests of this requester are pending.
    pub(super) fn pending_of(&self, requester: &Principal) -> usize {
        self.pending
            .by_requester
            .get(requester)
            .map_or(0, BTreeMap::len)
    }

    /// The latest commits of pending requests in a range, at most `limit`.
    pub(super) fn pending_in(&self, range: Range, limit: usize) -> Vec<EventId> {
        if range.after >= range.until {
            return Vec::new();
        }
        let bounds = (Bound::Excluded(range.after), Bound::Included(range.until));
        let events = self.pending.slips.range(bounds).map(|(event, _)| *event);
        events.take(limit).collect()
    }

    /// Pending requests in the order of their expiry, from behind this one on, at most `limit`.
    pub(super) fn by_expiry(
        &self,
        after: Option<(Timestamp, RequestId)>,
        limit: usize,
    ) -> Vec<(Timestamp, RequestId)> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let from = self.by_expiry.range((begin, Bound::Unbounded));
        from.take(limit).copied().collect()
    }

    /// What a list asks for, the newest first, at most `limit`.
    pub(super) fn find(&self, query: &ListQuery, limit: usize) -> Found {
        let mut found = Found::default();
        let shelves = match query.status {
            Some(Status::Pending) => &[&self.pending][..],
            Some(_) => &[&self.settled],
            None => &[&self.pending, &self.settled],
        };
        for shelf in shelves {
            shelf.find(query, limit, &mut found);
        }
        found.rows.sort_unstable_by(|one, other| other.cmp(one));
        found.rows.dedup();
        found.more |= found.rows.len() > limit;
        found.rows.truncate(limit);
        found
    }
}

impl Shelf {
    fn add(&mut self, event: EventId, mut slip: Slip) {
        // One text for all that have it.
        if let Some((topic, _)) = self.by_topic.get_key_value(&*slip.topic) {
            slip.topic = Arc::clone(topic);
        }
        if let Some((requester, _)) = self.by_requester.get_key_value(&*slip.requester) {
            slip.requester = Arc::clone(requester);
        }
        let place = slip.place;
        self.by_place.insert(place, event);
        let topic = self.by_topic.entry(Arc::clone(&slip.topic));
        topic.or_default().insert(place, event);
        let requester = self.by_requester.entry(Arc::clone(&slip.requester));
        requester.or_default().insert(place, event);
        self.events.insert(place.id, event);
        self.slips.insert(event, slip);
    }

    fn remove(&mut self, event: EventId) -> Option<Slip> {
        let slip = self.slips.remove(&event)?;
        self.by_place.remove(&slip.place);
        self.events.remove(&slip.place.id);
        remove_from(&mut self.by_topic, &slip.topic, slip.place);
        remove_from(&mut self.by_requester, &slip.requester, slip.place);
        Some(slip)
    }

    /// Adds what the list asks for, from each order that has some of it.
    fn find(&self, query: &ListQuery, limit: usize, found: &mut Found) {
        let limited = query.seen_by.as_deref().filter(|rights| !rights.sees_all());
        let of_topic = query.topic.as_ref().map(|topic| self.by_topic.get(topic));
        let Some(rights) = limited else {
            let all = of_topic.unwrap_or(Some(&self.by_place));
            return self.take(all, query, limit, found);
        };
        let covers = |topic: &Topic| rights.sees_others() && rights.covers(topic);
        match &query.topic {
            Some(topic) if covers(topic) => self.take(of_topic.flatten(), query, limit, found),
            Some(_) => self.take(self.own(rights), query, limit, found),
            None => {
                self.take(self.own(rights), query, limit, found);
                let covered = self.by_topic.iter().filter(|(topic, _)| covers(topic));
                for (_, places) in covered {
                    self.take(Some(places), query, limit, found);
                }
            }
        }
    }

    fn own(&self, rights: &Rights) -> Option<&BTreeMap<Place, EventId>> {
        self.by_requester.get(&rights.principal)
    }

    fn take(
        &self,
        places: Option<&BTreeMap<Place, EventId>>,
        query: &ListQuery,
        limit: usize,
        found: &mut Found,
    ) {
        let end = query.after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = places
            .into_iter()
            .flat_map(|places| places.range((Bound::Unbounded, end)).rev());
        let mut wanted = rows.filter(|(_, event)| {
            let slip = &self.slips[event];
            query
                .topic
                .as_ref()
                .is_none_or(|topic| *topic == *slip.topic)
                && (query.status.is_none() || query.status == slip.status)
        });
        let rows = wanted.by_ref().take(limit);
        found
            .rows
            .extend(rows.map(|(place, event)| (*place, *event)));
        found.more |= wanted.next().is_some();
    }
}

fn remove_from<K: Ord>(
    parts: &mut BTreeMap<Arc<K>, BTreeMap<Place, EventId>>,
    key: &Arc<K>,
    place: Place,
) {
    if let Some(places) = parts.get_mut(key) {
        places.remove(&place);
        if places.is_empty() {
            parts.remove(key);
        }
    }
}

/// The columns of a row. What is damaged is taken for nothing, as in [lists](super::list): whoever
/// reads the record notes it.
fn slip(row: &Row<'_>) -> rusqlite::Result<Slip> {
    let text = |n| -> rusqlite::Result<String> {
        let text = row.get_ref(n)?.as_str_or_null();
        Ok(text.unwrap_or_default().unwrap_or_default().to_owned())
    };
    let millis = |n| -> rusqlite::Result<Timestamp> {
        let millis = row.get_ref(n)?.as_i64().unwrap_or_default();
        Ok(Timestamp::from_millis(millis))
    };
    let id = super::list::padded(row.get_ref(1)?);
    let status = text(4)?;
    let statuses = [
        Status::Pending,
        Status::Approved,
        Status::Denied,
        Status::Expired,
        Status::Cancelled,
    ];
    Ok(Slip {
        place: Place {
            created_at: millis(5)?,
            id,
        },
        topic: Arc::new(Topic::new(text(2)?).unwrap_or_default()),
        requester: Arc::new(Principal::new(&text(3)?)),
        status: statuses.into_iter().find(|one| one.as_str() == status),
        expires_at: millis(6)?,
    })
}
