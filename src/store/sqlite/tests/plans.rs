//! That queries use the indexes which were made for them.

use rusqlite::types::Value;

use super::*;
use crate::domain::{Rights, Role, Status, Topic, TopicPattern};
use crate::store::contract::{about, asked, at, put, settled};

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
            audit::BATCH,
            4,
            "unfiled ((created_at,id)>(?,?) AND created_at<?)",
        ),
        // One jump for each topic.
        (list::topics::TOPICS, 1, "COVERING INDEX by_topic (topic>?)"),
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
async fn every_list_reads_its_indexes_in_order_and_looks_at_nothing_else() {
    let dir = Dir::new();
    let store = dir.open(Spy::new()).await;
    for (n, topic) in [(1, "a/1"), (2, "a/2"), (3, "c")] {
        let request = settled(about(asked(n), topic), Status::Denied, at(1));
        put(&store, request).await;
    }
    file_all(&store).await;
    store.close().await;
    let connection = dir.intruder();
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
    let (all, own, some) = (None, Some(Arc::new(own)), Some(Arc::new(some)));
    let topic = |text: &str| Some(Topic::new(text.to_owned()).unwrap());
    let before = "(created_at,id)<(?,?)";
    for (seen_by, topic, terms) in [
        (&all, None, vec![""]),
        (&all, topic("b"), vec!["topic=? AND "]),
        // One's own requests are found by whose they are, and the rest is looked at there.
        (&own, None, vec!["requester=? AND "]),
        (&own, topic("b"), vec!["requester=? AND "]),
        // Those as well, and three topics: two that are there, and one that is named.
        (
            &some,
            None,
            [vec!["requester=? AND "], vec!["topic=? AND "; 3]].concat(),
        ),
        (&some, topic("b"), vec!["topic=? AND "]),
        (&some, topic("c"), vec!["requester=? AND "]),
    ] {
        for status in [None, Some(Status::Denied)] {
            let query = ListQuery {
                status,
                topic: topic.clone(),
                seen_by: seen_by.clone(),
                after: None,
                limit: 10,
            };
            let sources = list::sources(&connection, &query).unwrap();
            let plans = sources.iter().map(|source| {
                let (sql, values) = source.query();
                plan(&connection, sql, values)
            });
            let status = if status.is_some() {
                "status=? AND "
            } else {
                ""
            };
            let wanted = terms.iter().map(|term| match *term {
                own @ "requester=? AND " => format!("({own}{before})"),
                other => format!("({other}{status}{before})"),
            });
            for (plan, wanted) in plans.zip(wanted) {
                assert!(!plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
                assert!(plan.contains(&wanted), "{query:?}: {plan}, {wanted}");
                // Of what is shown the record is read; of what may be looked at in vain, nothing.
                assert_eq!(
                    plan.contains("COVERING INDEX"),
                    !wanted.contains("requester"),
                    "{query:?}: {plan}"
                );
            }
            assert_eq!(sources.len(), terms.len(), "{query:?}");
        }
    }
}
