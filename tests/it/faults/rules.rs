//! The rules that every history has to obey: the promises, as questions to the evidence.

use std::collections::{HashMap, HashSet};

use super::history::{At, Fault, History, Item, Look, Ran, Told, View};

/// A promise that was broken, by the name of its rule, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

type Rule = fn(&History, &Store<'_>, &mut dyn FnMut(String));

/// By name.
const RULES: &[(&str, Rule)] = &[
    ("acknowledged", acknowledged),
    ("one request a key", one_request_a_key),
    ("one outcome", one_outcome),
    ("one commit an event", one_commit_an_event),
    ("never back", never_back),
    ("not far behind", not_far_behind),
    ("in time", in_time),
    ("nobody stuck", nobody_stuck),
    ("exit codes", exit_codes),
    ("silence is no yes", silence_is_no_yes),
    ("expiry", expiry),
    ("rising ids", rising_ids),
    ("no gap", no_gap),
    ("no reset", no_reset),
    ("known", known),
    ("one store", one_store),
    ("at rest", at_rest),
];

/// How long an answer may take to reach one who waits, on a busy machine, once nothing is broken
/// any more. Whoever was not woken would wait for [`POLL`](super::clients::POLL).
const LATE: At = 10_000;

/// How far the clock of the notes, which does not step, and the daemon's may be apart.
const SKEW: At = 50;

/// What the daemon finally has.
struct Store<'a> {
    by_title: HashMap<&'a str, Vec<&'a View>>,
    by_id: HashMap<&'a str, &'a View>,
}

/// All violations of all rules.
pub(crate) fn check(history: &History) -> Vec<Violation> {
    let mut store = Store {
        by_title: HashMap::new(),
        by_id: HashMap::new(),
    };
    for view in &history.store {
        store.by_title.entry(&view.title).or_default().push(view);
        store.by_id.insert(&view.id, view);
    }
    let mut violations = Vec::new();
    for (name, rule) in RULES {
        rule(history, &store, &mut |what| {
            violations.push(Violation { rule: name, what });
        });
    }
    violations
}

/// What was answered with success is there.
fn acknowledged(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for ask in &history.asks {
        if let Told::Yes(view) = &ask.told
            && !store.by_id.contains_key(view.id.as_str())
        {
            broken(format!(
                "{} was acknowledged as {} and is gone",
                ask.title, view.id
            ));
        }
    }
    for decision in &history.decisions {
        let Told::Yes(told) = &decision.told else {
            continue;
        };
        let kept = store.by_id.get(told.id.as_str());
        let counts = kept.is_some_and(|kept| {
            kept.status == status_of(&decision.verdict)
                && kept
                    .decisions
                    .iter()
                    .any(|(_, verdict)| *verdict == decision.verdict)
        });
        if !counts {
            broken(format!(
                "{decision:?} was acknowledged, and there is {kept:?}"
            ));
        }
    }
    for cancel in &history.cancels {
        let Told::Yes(told) = cancel else { continue };
        let kept = store.by_id.get(told.id.as_str());
        if kept.is_none_or(|kept| kept.status != "cancelled") {
            broken(format!(
                "cancelling {told:?} was acknowledged, and there is {kept:?}"
            ));
        }
    }
}

fn status_of(verdict: &str) -> &'static str {
    match verdict {
        "approve" => "approved",
        "deny" => "denied",
        other => panic!("{other:?} is no verdict"),
    }
}

/// However often an ask was sent, it made one request.
fn one_request_a_key(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for (title, views) in &store.by_title {
        if views.len() > 1 {
            broken(format!(
                "{title} was asked {} times: {views:?}",
                views.len()
            ));
        }
    }
    let mut ids = HashMap::new();
    for ask in &history.asks {
        if let Told::Yes(view) = &ask.told {
            let first = *ids.entry(&ask.title).or_insert(&view.id);
            if *first != view.id {
                broken(format!("{} is {first} and {}", ask.title, view.id));
            }
        }
    }
}

/// Every view that anybody was shown, and when it had come.
fn views(history: &History) -> impl Iterator<Item = &View> {
    let asks = history.asks.iter().map(|ask| &ask.told);
    let decisions = history.decisions.iter().map(|decision| &decision.told);
    let told = asks
        .chain(decisions)
        .chain(&history.cancels)
        .filter_map(|told| match told {
            Told::Yes(view) => Some(view),
            Told::No(_) | Told::Nothing => None,
        });
    let looks = history.looks.iter().map(|look| &look.view);
    let streams = history
        .streams
        .values()
        .flatten()
        .filter_map(|item| match item {
            Item::Told(_, view) => Some(view),
            Item::Opened(_) | Item::Reset | Item::CaughtUp(_) | Item::Moved(_) => None,
        });
    told.chain(looks).chain(streams)
}

/// Whoever saw a final state saw the one that the store has.
fn one_outcome(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for view in views(history) {
        match store.by_id.get(view.id.as_str()) {
            None => broken(format!("{} was shown and is gone", view.members)),
            Some(kept) if view.is_final() && kept.status != view.status => {
                broken(format!(
                    "{} was {} and is {}",
                    view.title, view.status, kept.status
                ));
            }
            Some(kept) if view.event > kept.event => {
                broken(format!(
                    "{} was at {} and is at {}",
                    view.title, view.event, kept.event
                ));
            }
            Some(_) => {}
        }
    }
}

/// What is told under an event id is the same for everybody.
fn one_commit_an_event(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    let mut events: HashMap<u64, &View> = HashMap::new();
    for view in views(history).chain(&history.store) {
        let first = *events.entry(view.event).or_insert(view);
        if first.members != view.members {
            broken(format!(
                "event {} is {} and {}",
                view.event, first.members, view.members
            ));
        }
    }
}

/// A call to a daemon that begins after an answer of that daemon's has come shows at least what
/// that answer showed.
fn never_back(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    let mut looks: HashMap<(&str, usize), Vec<_>> = HashMap::new();
    for look in &history.looks {
        let (id, node) = (look.view.id.as_str(), look.node);
        looks.entry((id, node)).or_default().push(look);
    }
    for mut looks in looks.into_values() {
        older_than_shown(&mut looks, |at, event, look| {
            if at < look.sent {
                broken(format!(
                    "event {event} was shown at {at}, and then {look:?}"
                ));
            }
        });
    }
}

/// Daemons on one store see it a little later than one another, but not much: a call shows what
/// any of them has shown a while ago, unless something was broken meanwhile.
fn not_far_behind(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for looks in by_request(history).values_mut() {
        older_than_shown(looks, |at, event, look| {
            let due = trouble_until(&history.faults, at, look.sent);
            if due + LATE < look.sent {
                broken(format!(
                    "event {event} was shown at {at} by another daemon, and then {look:?}"
                ));
            }
        });
    }
}

fn by_request(history: &History) -> HashMap<&str, Vec<&Look>> {
    let mut looks: HashMap<&str, Vec<_>> = HashMap::new();
    for look in &history.looks {
        looks.entry(&look.view.id).or_default().push(look);
    }
    looks
}

/// By how much answers were behind what had been shown before by any daemon, in milliseconds.
pub(crate) fn behind(history: &History) -> Vec<At> {
    let mut behind = Vec::new();
    for looks in by_request(history).values_mut() {
        older_than_shown(looks, |at, _, look| behind.push(look.sent - at));
    }
    behind
}

/// Tells of each look that shows an older event of the request than one that had been shown when
/// it was asked for: when that was first shown, the event, and the look.
fn older_than_shown(looks: &mut [&Look], mut tell: impl FnMut(At, u64, &Look)) {
    looks.sort_by_key(|look| look.at);
    // The events that were newer than all before them, and when each was first shown.
    let mut shown: Vec<(u64, At)> = Vec::new();
    for look in looks.iter() {
        let newest = shown.last().map_or(0, |(event, _)| *event);
        if look.view.event > newest {
            shown.push((look.view.event, look.at));
        }
    }
    for look in looks.iter() {
        let newer = shown.partition_point(|(event, _)| *event <= look.view.event);
        if let Some((event, at)) = shown.get(newer)
            && *at < look.sent
        {
            tell(*at, *event, look);
        }
    }
}

/// The end of the last fault that overlaps this time.
fn trouble_until(faults: &[Fault], from: At, to: At) -> At {
    let overlapping = faults
        .iter()
        .filter(|fault| fault.from <= to && fault.to >= from);
    overlapping.map(|fault| fault.to).max().unwrap_or(from)
}

/// The answer reaches one who waits when it is given, not when the wait is over.
fn in_time(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for look in history
        .looks
        .iter()
        .filter(|look| look.waited && look.view.is_final())
    {
        let Some(settled) = settled_at(&look.view) else {
            continue;
        };
        let due = settled.max(look.sent);
        let due = due.max(trouble_until(&history.faults, due, look.at));
        if look.at > due + LATE {
            broken(format!("{} ms after it was due: {look:?}", look.at - due));
        }
    }
    for ran in history.ran.iter().filter(|ran| !ran.signalled) {
        let kept = history.store.iter().find(|view| view.title == ran.title);
        let Some(settled) = kept.and_then(settled_at) else {
            continue;
        };
        let due = settled.max(trouble_until(&history.faults, settled, ran.ended));
        if ran.ended > due + LATE {
            broken(format!("{} ms after it was due: {ran:?}", ran.ended - due));
        }
    }
}

/// When a request became final, where the view says so; a cancellation has no time in it.
fn settled_at(view: &View) -> Option<At> {
    match view.status.as_str() {
        "expired" => Some(view.expires_at),
        _ => view.decided_at,
    }
}

fn nobody_stuck(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for who in &history.stuck {
        broken(format!("{who} did not come to an end"));
    }
}

/// Who kept waiting left with the code of the true outcome; nobody left with 0 without it.
fn exit_codes(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for ran in &history.ran {
        let kept = store
            .by_title
            .get(ran.title.as_str())
            .and_then(|views| views.first());
        let status = kept.map_or("never asked", |kept| kept.status.as_str());
        let outcome = match status {
            "approved" => Some(0),
            "denied" => Some(1),
            "cancelled" => Some(4),
            "expired" => Some(124),
            _ => None,
        };
        let printed = ran.printed.as_ref();
        let printed = printed.map(|view| (view.id.as_str(), view.status.as_str()));
        if leaves_it_unknown(ran, kept.copied(), &history.faults) {
            continue;
        }
        let wrong_yes = ran.code == Some(0) && status != "approved";
        let wrong_code = !ran.signalled && ran.code != outcome;
        // Whoever gets an outcome prints it, too.
        let wrong_print = ran.code.is_some_and(|code| code < 128)
            && printed != kept.map(|kept| (kept.id.as_str(), kept.status.as_str()));
        if wrong_yes || wrong_code || wrong_print {
            broken(format!("it is {status}: {ran:?}"));
        }
    }
}

/// Whether it left, as it says it does, without the outcome of a request whose time was over while
/// nothing could be written, so that nobody could say that it has expired.
fn leaves_it_unknown(ran: &Ran, kept: Option<&View>, faults: &[Fault]) -> bool {
    let Some(kept) = kept.filter(|kept| kept.status == "expired") else {
        return false;
    };
    let mut faults = faults.iter().filter(|fault| fault.stops_writes());
    let unwritten = faults.any(|fault| fault.from <= ran.ended && fault.to >= kept.expires_at);
    ran.code == Some(69) && ran.printed.is_none() && unwritten
}

/// An approval is somebody's who may, and who said so before anybody saw it.
fn silence_is_no_yes(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for kept in history
        .store
        .iter()
        .filter(|kept| kept.status == "approved")
    {
        let allowed = kept.decisions.iter().any(|(approver, verdict)| {
            verdict == "approve" && history.approvers.contains(approver)
        });
        if !allowed {
            broken(format!("nobody who may has approved {}", kept.members));
        }
        let decided_at = kept.decided_at.unwrap_or(At::MIN);
        let said = history.decisions.iter().any(|decision| {
            decision.title == kept.title
                && decision.verdict == "approve"
                && decision.sent <= decided_at + SKEW
                && !matches!(decision.told, Told::No(_))
        });
        if !said {
            broken(format!("nobody has said yes to {}", kept.members));
        }
    }
}

/// Nothing is decided at or after `expires_at`, nothing expires before it, and nothing is shown
/// as pending once it has passed, unless the store could not write.
fn expiry(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for kept in &history.store {
        if kept
            .decided_at
            .is_some_and(|decided| decided >= kept.expires_at)
        {
            broken(format!("decided too late: {}", kept.members));
        }
    }
    for look in &history.looks {
        let view = &look.view;
        if view.status == "expired" && look.at + SKEW < view.expires_at {
            broken(format!("expired too early: {look:?}"));
        }
        let mut faults = history.faults.iter().filter(|fault| fault.stops_writes());
        let in_trouble = faults.any(|fault| fault.from <= look.at && fault.to >= look.sent);
        if view.status == "pending" && look.sent > view.expires_at + SKEW && !in_trouble {
            broken(format!("still pending: {look:?}"));
        }
    }
}

/// History and number of a cursor.
fn parts(cursor: &str) -> (&str, u64) {
    let (history, number) = cursor.split_once('-').expect("two numbers and a dash");
    (history, number.parse().expect("a number"))
}

/// Ids rise from the cursor on, in one history, until a reset or a new stream.
fn rising_ids(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for (reader, items) in &history.streams {
        let mut last: Option<(&str, u64)> = None;
        for item in items {
            match item {
                Item::Opened(cursor) => last = cursor.as_deref().map(parts),
                Item::Reset => last = None,
                Item::CaughtUp(_) => {}
                Item::Moved(cursor) | Item::Told(cursor, _) => {
                    let next = parts(cursor);
                    let strictly = matches!(item, Item::Told(..));
                    if let Some((name, number)) = last
                        && (name != next.0 || number > next.1 || (strictly && number == next.1))
                    {
                        broken(format!(
                            "{reader} was at {number} of {name} and got {cursor}"
                        ));
                    }
                    last = Some(next);
                }
            }
            if let Item::Told(cursor, view) = item
                && parts(cursor).1 != view.event
            {
                broken(format!("{reader} got {} under {cursor}", view.members));
            }
        }
    }
}

/// What a stream has passed it has told: what was pending when it began, and the latest state of
/// all that changed since.
fn no_gap(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    // The first event at which each request was seen, which is that of its ask or later.
    let mut first_seen: HashMap<&str, u64> = HashMap::new();
    for view in views(history) {
        let first = first_seen.entry(&view.id).or_insert(view.event);
        *first = view.event.min(*first);
    }
    for (reader, items) in &history.streams {
        for stream in whole_streams(items) {
            for kept in &history.store {
                let passed = kept.event > stream.begun && kept.event <= stream.at;
                if passed && !stream.told.contains(&(kept.id.as_str(), kept.event)) {
                    broken(format!(
                        "{reader} is at {}, began at {} and was not told of {}",
                        stream.at, stream.begun, kept.members
                    ));
                }
                let asked = first_seen
                    .get(kept.id.as_str())
                    .copied()
                    .unwrap_or(u64::MAX);
                let was_pending = asked <= stream.begun && kept.version > stream.begun;
                if was_pending && !stream.pending.contains(kept.id.as_str()) {
                    broken(format!(
                        "{reader} began at {} and was not told that this was pending: {}",
                        stream.begun, kept.members
                    ));
                }
            }
        }
    }
}

/// A stream from its beginning or reset over all its resumptions.
#[derive(Default)]
struct Whole<'a> {
    /// What it was told before it first caught up.
    pending: HashSet<&'a str>,
    told: HashSet<(&'a str, u64)>,
    /// The head when it first caught up.
    begun: u64,
    /// How far it has come.
    at: u64,
}

fn whole_streams(items: &[Item]) -> Vec<Whole<'_>> {
    let mut streams = Vec::new();
    let mut stream = Whole::default();
    let mut begun = false;
    for item in items {
        match item {
            Item::Opened(None) | Item::Reset => {
                if begun {
                    streams.push(std::mem::take(&mut stream));
                }
                (stream, begun) = (Whole::default(), false);
            }
            // A stream that was cut before it had caught up is resumed where it was, and its
            // beginning goes on.
            Item::Opened(Some(_)) => {}
            Item::Told(cursor, view) => {
                if !begun {
                    stream.pending.insert(&view.id);
                }
                stream.told.insert((&view.id, view.event));
                stream.at = stream.at.max(parts(cursor).1);
            }
            Item::CaughtUp(head) => {
                if !begun {
                    stream.begun = *head;
                    begun = true;
                }
                stream.at = stream.at.max(*head);
            }
            Item::Moved(cursor) => stream.at = stream.at.max(parts(cursor).1),
        }
    }
    if begun {
        streams.push(stream);
    }
    streams
}

/// Nobody is told to drop what they know: nothing was purged, and all daemons continue one history.
fn no_reset(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for (reader, items) in &history.streams {
        let mut cursor = &None;
        for item in items {
            match item {
                Item::Opened(from) => cursor = from,
                Item::Reset => broken(format!("{reader} came with {cursor:?} and was reset")),
                Item::Told(..) | Item::CaughtUp(_) | Item::Moved(_) => {}
            }
        }
    }
}

/// Whatever was asked is known from then on, whichever daemon is asked about it.
fn known(history: &History, _: &Store<'_>, broken: &mut dyn FnMut(String)) {
    let unknown = |told: &Told<View>| *told == Told::No("not_found".to_owned());
    for decision in &history.decisions {
        if unknown(&decision.told) {
            broken(format!("no such request, for {decision:?}"));
        }
    }
    for cancel in history.cancels.iter().filter(|told| unknown(told)) {
        broken(format!("no such request, for a cancellation: {cancel:?}"));
    }
}

/// All daemons on the store say the same of each request.
fn one_store(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    for (node, views) in history.elsewhere.iter().enumerate() {
        let node = node + 1;
        let by_id: HashMap<_, _> = views.iter().map(|view| (view.id.as_str(), view)).collect();
        for (id, kept) in &store.by_id {
            if by_id.get(id) != Some(kept) {
                let other = by_id.get(id).map(|view| &view.members);
                broken(format!("daemon {node} has {other:?} for {}", kept.members));
            }
        }
        for (id, view) in by_id {
            if !store.by_id.contains_key(id) {
                broken(format!("daemon {node} alone has {}", view.members));
            }
        }
    }
}

/// When everybody has left, no daemon holds anything for anybody.
fn at_rest(history: &History, store: &Store<'_>, broken: &mut dyn FnMut(String)) {
    let pending = store.by_id.values().filter(|view| !view.is_final()).count();
    for rest in &history.rest {
        if rest.waiters != 0 || rest.subscribers != 0 || rest.pending != pending as u64 {
            broken(format!("{rest:?}, and {pending} pending in the store"));
        }
    }
}
