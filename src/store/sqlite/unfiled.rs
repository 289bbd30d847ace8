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

use std::cmp::Reverse;
use std::collections::btree_map::Range as Entries;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::iter::Rev;
use std::ops::Bound;
use std::sync::Arc;

use rusqlite::{Connection, Row};

use super::list;
use super::rows::event_id;
use crate::domain::{Event, EventId, Principal, RequestId, Rights, Status, Timestamp, Topic};
use crate::limits;
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
    /// By the text of the topic, which is none of ours where the column is damaged.
    by_topic: BTreeMap<Arc<str>, Places>,
    by_requester: BTreeMap<Arc<Principal>, Places>,
}

type Places = BTreeMap<Place, EventId>;

/// The columns of a row.
#[derive(Debug)]
struct Slip {
    place: Place,
    topic: Arc<str>,
    requester: Arc<Principal>,
    /// `None` where the column is damaged.
    status: Option<Status>,
    expires_at: Timestamp,
}

/// The newest of what a list has to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Newest first.
    pub(super) rows: Vec<list::Row>,
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
            topic: Arc::from(request.topic.as_str()),
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

    /// What a list has to look at, the newest first, at most `limit`.
    ///
    /// It is called with the lock on all this held. What it takes is bounded by `limit`, by
    /// [`limits::LIST_TOPICS`], and by the few settled rows that are not filed.
    pub(super) fn find(&self, query: &ListQuery, limit: usize) -> Found {
        let shelves = match query.status {
            Some(Status::Pending) => &[&self.pending][..],
            Some(_) => &[&self.settled],
            None => &[&self.pending, &self.settled],
        };
        let mut parts: Vec<_> = shelves
            .iter()
            .flat_map(|shelf| shelf.parts(query))
            .collect();
        let next = |parts: &mut Vec<Part<'_>>, n: usize| {
            let (place, row) = parts[n].next(query)?;
            Some((place, Reverse(n), row))
        };
        let mut heads = BinaryHeap::new();
        for n in 0..parts.len() {
            heads.extend(next(&mut parts, n));
        }
        let mut found = Found::default();
        let mut last = None;
        while let Some((place, Reverse(n), row)) = heads.pop() {
            heads.extend(next(&mut parts, n));
            // One that stands in several parts is given once.
            if last == Some(place) {
                continue;
            }
            if found.rows.len() >= limit {
                found.more = true;
                break;
            }
            last = Some(place);
            found.rows.push(row);
        }
        found
    }
}

/// One order of a shelf, as far as it is not read yet.
struct Part<'a> {
    shelf: &'a Shelf,
    places: Rev<Entries<'a, Place, EventId>>,
    columns: Columns,
}

/// Which columns are compared with what the list asks for; its order settles the others.
#[derive(Clone, Copy)]
enum Columns {
    Neither,
    Topic,
    TopicAndRequester,
}

impl Part<'_> {
    fn next(&mut self, query: &ListQuery) -> Option<(Place, list::Row)> {
        for (place, event) in self.places.by_ref() {
            // None where the number of the row is damaged, and that of another as well.
            let Some(slip) = self.shelf.slips.get(event) else {
                continue;
            };
            // All that is pending is what such a list asks for, and there is little else.
            if query.status.is_some() && query.status != slip.status {
                continue;
            }
            let topic = || Some(slip.topic.to_string());
            let requester = || Some(slip.requester.as_str().to_owned());
            let (topic, requester) = match self.columns {
                Columns::Neither => (None, None),
                Columns::Topic => (topic(), None),
                Columns::TopicAndRequester => (topic(), requester()),
            };
            return Some((*place, list::Row::found(*place, *event, topic, requester)));
        }
        None
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

    /// The orders that a list merges.
    fn parts<'a>(&'a self, query: &ListQuery) -> Vec<Part<'a>> {
        let end = query.after.map_or(Bound::Unbounded, Bound::Excluded);
        let part = |places: &'a Places, columns| Part {
            shelf: self,
            places: places.range((Bound::Unbounded, end)).rev(),
            columns,
        };
        let of = |places: Option<&'a Places>, columns| {
            let parts = places.map(|places| part(places, columns));
            parts.into_iter().collect()
        };
        let of_topic = |topic: &Topic| of(self.by_topic.get(topic.as_str()), Columns::Neither);
        let limited = query.seen_by.as_deref().filter(|rights| !rights.sees_all());
        let Some(rights) = limited else {
            return match &query.topic {
                Some(topic) => of_topic(topic),
                None => of(Some(&self.by_place), Columns::Neither),
            };
        };
        let own = self.by_requester.get(&rights.principal);
        match &query.topic {
            Some(topic) if rights.sees_others() && rights.covers(topic) => of_topic(topic),
            Some(_) => of(own, Columns::Topic),
            None if !rights.sees_others() => of(own, Columns::Neither),
            None => match self.covered(rights) {
                Some(topics) => {
                    let all = own.into_iter().chain(topics);
                    all.map(|places| part(places, Columns::Neither)).collect()
                }
                None => of(Some(&self.by_place), Columns::TopicAndRequester),
            },
        }
    }

    /// The topics that are covered; `None` when more than [`limits::LIST_TOPICS`] have to be looked
    /// at to tell.
    fn covered(&self, rights: &Rights) -> Option<Vec<&Places>> {
        let mut found = BTreeMap::new();
        let mut looks = 0;
        for beginning in list::topics::beginnings(&rights.topics) {
            let from = (Bound::Included(beginning), Bound::Unbounded);
            let topics = self.by_topic.range::<str, _>(from);
            for (text, places) in topics.take_while(|(text, _)| text.starts_with(beginning)) {
                looks += 1;
                if looks > limits::LIST_TOPICS {
                    return None;
                }
                let topic = Topic::new(text.to_string()).ok();
                if topic.is_some_and(|topic| rights.covers(&topic)) {
                    found.insert(&**text, places);
                }
            }
        }
        for pattern in rights.topics.iter().filter(|pattern| pattern.is_plain()) {
            let named = self.by_topic.get_key_value(pattern.as_str());
            found.extend(named.map(|(text, places)| (&**text, places)));
        }
        Some(found.into_values().collect())
    }
}

fn remove_from<K: Ord + ?Sized>(parts: &mut BTreeMap<Arc<K>, Places>, key: &Arc<K>, place: Place) {
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
    let id = list::padded(row.get_ref(1)?);
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
        topic: Arc::from(text(2)?),
        requester: Arc::new(Principal::new(&text(3)?)),
        status: statuses.into_iter().find(|one| one.as_str() == status),
        expires_at: millis(6)?,
    })
}
