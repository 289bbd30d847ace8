//! That queries use the indexes which were made for them.

use rusqlite::types::Value;

use super::*;
use crate::domain::{Rights, Role, Status, Topic, TopicPattern};
use crate::store::Place;
use crate::store::contract::{at, id};

/// How `SQLite` would run a query.
fn plan(connection: &Connection, sql: &str, values: Vec<Value>) -> String {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let steps = statement.query_map(rusqlite::params_from_iter(values), |row| row.get(3));
    let steps: Vec<String> = steps.unwrap().collect::<Result<_, _>>().unwrap();
    steps.join("; ")
}

#[tokio::test]
async fn no_query_sorts_or_scans_more_than_it_shows() {
    let dir = Dir::new();
    dir.open(Spy::new()).await.close().await;
    let connection = dir.intruder();
    let cases = [
        (rows::GET, 1, "sqlite_autoindex_requests_1 (id=?)"),
        (rows::AT, 1, "INTEGER PRIMARY KEY (rowid=?)"),
        (
            rows::CHANGES,
            2,
            "INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        ),
        (
            rows::CHANGES_PENDING,
            2,
            "pending_by_event (event_id>? AND event_id<?)",
        ),
        (rows::OVERDUE, 1, "pending_by_expiry (expires_at<?)"),
        (rows::NEXT_EXPIRY, 0, "pending_by_expiry"),
        (rows::PENDING_OF, 1, "pending_by_requester (requester=?)"),
        // From the place after which it goes on, in the order of the index.
        (
            audit::BATCH,
            4,
            "by_place ((created_at,id)>(?,?) AND created_at<?)",
        ),
        (group::SETTLED, 2, "settled_by_time (settled_at<?)"),
    ];
    for (sql, values, index) in cases {
        let plan = plan(&connection, sql, vec![Value::Integer(1); values]);
        assert!(plan.contains(index), "{sql}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}

#[tokio::test]
async fn every_list_reads_its_index_in_order() {
    let dir = Dir::new();
    dir.open(Spy::new()).await.close().await;
    let connection = dir.intruder();
    let place = Place {
        created_at: at(1),
        id: id(1),
    };
    let own = Rights {
        roles: vec![Role::Requester],
        ..Rights::local()
    };
    let some = Rights {
        topics: ["a*", "b"]
            .map(|text| TopicPattern::new(text).unwrap())
            .to_vec(),
        ..Rights::local()
    };
    let whose = [None, Some(Arc::new(own)), Some(Arc::new(some))];
    for (status, seen_by) in [None, Some(Status::Denied)]
        .into_iter()
        .flat_map(|status| whose.iter().map(move |seen_by| (status, seen_by)))
    {
        for topic in [None, Some(Topic::default())] {
            for after in [None, Some(place)] {
                let query = ListQuery {
                    status,
                    topic: topic.clone(),
                    seen_by: seen_by.clone(),
                    after,
                    limit: 10,
                };
                let (sql, values) = rows::list_query(&query);
                let plan = plan(&connection, &sql, values);
                assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
                // One's own requests are found by whose they are, and the rest is looked at there.
                let own_alone = seen_by.as_ref().is_some_and(|rights| !rights.sees_others());
                assert_eq!(plan.contains("requester=?"), own_alone, "{sql}: {plan}");
                if own_alone {
                    continue;
                }
                for (filtered, term) in [
                    (status.is_some(), "status=?"),
                    (topic.is_some(), "topic=?"),
                    (after.is_some(), "(created_at,id)<(?,?)"),
                ] {
                    assert_eq!(plan.contains(term), filtered, "{sql}: {plan}");
                }
            }
        }
    }
}
