//! Files that are no backups, and disks that are full: nothing is replaced by half a database.

use std::fs;
use std::process::Command;

use crate::copies::set_header;
use crate::daemon::{Ran, setup};

/// Offsets in the header (`SQLite` file format, section 1.3).
const USER_VERSION: usize = 60;
const APPLICATION_ID: usize = 68;

#[tokio::test]
async fn a_file_that_is_no_sound_backup_is_refused_and_the_database_stays() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    for _ in 0..20 {
        let members = serde_json::json!({"title": "a", "details": "d".repeat(10_000)});
        daemon.asking(&members).await;
    }
    let daemon = daemon.stopped().await;
    let setup = daemon.setup();
    setup.back_up("good");
    let good = fs::read(setup.path("good")).unwrap();
    for (name, words) in [
        ("missing", "No such file"),
        ("", "not a regular file"),
        ("pushd.db", "the database itself"),
        ("empty", "it is empty"),
        ("text", "not a SQLite database"),
        ("newer", "made by a newer pushd"),
        ("foreign", "of another program"),
        ("torn", "damaged"),
        ("cut", "damaged"),
        ("in-use", "write-ahead log"),
    ] {
        let path = setup.path(name);
        match name {
            "empty" => fs::write(&path, "").unwrap(),
            "text" => fs::write(&path, "x".repeat(10_000)).unwrap(),
            "newer" | "foreign" => {
                fs::write(&path, &good).unwrap();
                let (offset, value) = match name {
                    "newer" => (USER_VERSION, 99),
                    _ => (APPLICATION_ID, 0x0fac_ade0),
                };
                set_header(&path, offset, value);
            }
            "torn" => {
                let mut torn = good.clone();
                let middle = torn.len() / 2 / 4096 * 4096;
                torn[middle..middle + 4096].fill(0x5a);
                fs::write(&path, torn).unwrap();
            }
            "cut" => fs::write(&path, &good[..good.len() / 2]).unwrap(),
            "in-use" => {
                fs::write(&path, &good).unwrap();
                fs::write(setup.path("in-use-wal"), "frames").unwrap();
            }
            _ => {}
        }
        let refused = setup.run(&["restore", &setup.name(name)]).refused(65);
        assert!(refused.contains(words), "{name}: {refused}");
        assert!(
            refused.contains(&*path.to_string_lossy()),
            "{name}: {refused}"
        );
    }
    let names = setup.files();
    assert!(
        !names
            .iter()
            .any(|name| name.contains(".part") || name.contains("replaced")),
        "{names:?}"
    );
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

#[tokio::test]
async fn another_programs_database_is_not_replaced() {
    let daemon = setup().start();
    daemon.setup().back_up("good");
    let setup = daemon.setup().clone();
    drop(daemon);
    let foreign = setup.path("foreign.db");
    fs::copy(setup.path("good"), &foreign).unwrap();
    set_header(&foreign, APPLICATION_ID, 0x0fac_ade0);
    let other = setup
        .clone()
        .store(&format!("sqlite:{}", foreign.display()));
    let refused = other.run(&["restore", &setup.name("good")]).refused(78);
    assert!(refused.contains("another program"), "{refused}");
}

#[tokio::test]
async fn a_full_disk_leaves_no_half_of_a_backup_and_no_half_of_a_database() {
    let daemon = setup().start();
    let id = daemon.ask("Deploy?").await;
    for _ in 0..20 {
        let members = serde_json::json!({"title": "a", "details": "d".repeat(10_000)});
        daemon.asking(&members).await;
    }
    let daemon = daemon.stopped().await;
    let setup = daemon.setup();
    setup.back_up("good");
    // A limit on the size of files stands for a full disk: 64 KiB are less than either has.
    let cramped = |args: &[&str]| {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", "ulimit -f 64; exec \"$@\"", "bash"])
            .arg(env!("CARGO_BIN_EXE_pushd"))
            .args(args)
            .env_clear()
            .env("PUSHD_STORE", format!("sqlite:{}", setup.name("pushd.db")));
        Ran::to_its_end(shell)
    };
    let before = setup.files();
    let refused = cramped(&["backup", &setup.name("half")]).refused(73);
    assert!(refused.contains("cannot write the backup"), "{refused}");
    let refused = cramped(&["restore", &setup.name("good")]).refused(78);
    assert!(refused.contains("pushd.db"), "{refused}");
    let after = setup.files();
    assert!(after.iter().all(|name| before.contains(name)), "{after:?}");
    let daemon = daemon.restart();
    assert_eq!(daemon.read(&id).await["status"], "pending");
}

// A copy grows under its name with `.part` behind it. A database or a backup of that name was
// emptied and removed.
#[tokio::test]
async fn a_copy_does_not_grow_over_what_it_is_made_of() {
    let start = setup();
    let database = start.path("deploy.part");
    let store = format!("sqlite:{}", database.display());
    let daemon = start.store(&store).start();
    let id = daemon.ask("Deploy?").await;
    let target = daemon.setup().path("deploy");
    let refused = daemon.setup().run(&["backup", target.to_str().unwrap()]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    let copy = daemon.setup().path("pushd.db.part");
    daemon.setup().run(&["backup", copy.to_str().unwrap()]);
    let kept = fs::read(&copy).unwrap();
    let other = format!("sqlite:{}", daemon.setup().path("pushd.db").display());
    let setup = daemon.setup().clone().store(&other);
    let refused = setup.run(&["restore", copy.to_str().unwrap()]);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert_eq!(fs::read(&copy).unwrap(), kept);
    let daemon = daemon.crash_and_restart();
    assert_eq!(daemon.read(&id).await["status"], "pending");
}
