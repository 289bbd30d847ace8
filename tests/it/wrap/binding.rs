//! What an approval is bound to: changed since the ask, nothing runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{Scene, scene};
use crate::front::{Front, Way};
use crate::programs::{Left, Requester};

/// The SHA-256 of no bytes at all.
const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Asks, lets `change` happen while the request is pending, and approves it.
async fn changed(scene: &Scene, args: &[&str], change: impl FnOnce()) -> Left {
    let requester = scene.start(args);
    let id = scene.daemon.the_pending_one().await;
    change();
    scene.daemon.approve(&id).await;
    requester.left().await
}

async fn refused(scene: &Scene, left: &Left, name: &str) {
    assert_eq!(left.code, Some(65), "{left:?}");
    assert!(left.stderr.contains(name), "{left:?}");
    assert!(left.stderr.contains("was not used"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
    let request = scene.request().await;
    assert_eq!(request["status"], "approved");
    assert_eq!(request.get("consumed_at"), None, "{request}");
}

#[tokio::test]
async fn a_bound_file_that_has_changed_is_named_and_spends_no_approval() {
    let scene = scene();
    scene.write("plan.out", "good");
    let args = ["--bind", "plan.out", "--", "sh", "-c", ": > ran"];
    let left = changed(&scene, &args, || scene.write("plan.out", "evil")).await;
    refused(&scene, &left, "plan.out has changed since the ask").await;
}

#[tokio::test]
async fn a_bound_file_that_is_gone_is_named() {
    let scene = scene();
    scene.write("plan.out", "good");
    let args = ["--bind", "plan.out", "--", "sh", "-c", ": > ran"];
    let left = changed(&scene, &args, || {
        fs::remove_file(scene.path("plan.out")).unwrap();
    })
    .await;
    refused(&scene, &left, "plan.out cannot be read any more").await;
}

#[tokio::test]
async fn another_program_in_the_place_of_the_one_that_was_shown_does_not_run() {
    let scene = scene();
    scene.script("deploy", "exit 0\n");
    let change = || {
        scene.script("deploy", ": > ran\n");
    };
    let left = changed(&scene, &["--", "./deploy"], change).await;
    refused(&scene, &left, "./deploy has changed since the ask").await;
}

#[tokio::test]
async fn a_folder_that_was_moved_away_is_not_the_one_that_was_shown() {
    let scene = scene();
    let (folder, moved) = (scene.path("here"), scene.path("there"));
    fs::create_dir(&folder).unwrap();
    let mut command = scene.requester(&scene.daemon.url(), &["--", "sh", "-c", ": > ../ran"]);
    command.current_dir(&folder);
    let requester = Requester::spawned(command);
    let id = scene.daemon.the_pending_one().await;
    fs::rename(&folder, &moved).unwrap();
    fs::create_dir(&folder).unwrap();
    scene.daemon.approve(&id).await;
    refused(
        &scene,
        &requester.left().await,
        "the working directory is not at",
    )
    .await;
}

#[tokio::test]
async fn what_the_search_path_leads_to_later_does_not_matter() {
    let scene = scene();
    let (first, second) = (scene.path("first"), scene.path("second"));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    scene.script("second/deploy", "echo second\n");
    let mut command = scene.requester(&scene.daemon.url(), &["--", "deploy"]);
    // The program that starts ours is looked up with the same variable.
    let system = [Path::new("/usr/bin"), Path::new("/bin")];
    let search = std::env::join_paths(
        [&first, &second]
            .map(PathBuf::as_path)
            .iter()
            .chain(&system),
    );
    command.env("PATH", search.unwrap());
    let requester = Requester::spawned(command);
    let id = scene.daemon.the_pending_one().await;
    scene.script("first/deploy", "echo first\n");
    scene.daemon.approve(&id).await;
    let left = requester.left().await;
    assert_eq!(left.stdout, "second\n", "{left:?}");
    let shown = scene.request().await["command"]["program"].clone();
    assert_eq!(shown, scene.path("second/deploy").to_str().unwrap());
}

#[tokio::test]
async fn what_changes_while_the_approval_is_used_is_noticed_and_said() {
    let scene = scene();
    scene.write("plan.out", "good");
    let plan = scene.path("plan.out");
    let front = Front::before(&scene.daemon, move |_, line| {
        if line.contains("/consume") {
            fs::write(&plan, "evil").unwrap();
        }
        Way::Through
    })
    .await;
    let args = ["--bind", "plan.out", "--", "sh", "-c", ": > ran"];
    let requester = Requester::spawned(scene.requester(&front.url(), &args));
    scene.approve().await;
    let left = requester.left().await;
    assert_eq!(left.code, Some(65), "{left:?}");
    assert!(left.stderr.contains("plan.out has changed"), "{left:?}");
    assert!(left.stderr.contains("is used up"), "{left:?}");
    assert_eq!(scene.content("ran"), None);
    assert!(scene.request().await["consumed_at"].is_string());
}

/// Starts it, and gives it these bytes on its standard input, which then ends.
async fn given(mut command: Command, bytes: &[u8]) -> Requester {
    let (theirs, ours) = std::io::pipe().unwrap();
    command.stdin(Stdio::from(theirs));
    let requester = Requester::spawned(command);
    let mut ours = tokio::net::unix::pipe::Sender::from_owned_fd(ours.into()).unwrap();
    ours.write_all(bytes).await.unwrap();
    requester
}

#[tokio::test]
async fn bound_standard_input_is_what_the_command_reads() {
    let scene = scene();
    let args = ["--bind-stdin", "--", "sh", "-c", "cat > kept; cat"];
    let command = scene.requester(&scene.daemon.url(), &args);
    let bytes: Vec<u8> = b"\0\xff\n\r".repeat(50_000);
    let requester = given(command, &bytes).await;
    let id = scene.approve().await;
    let left = requester.left().await;
    assert_eq!((left.code, &*left.stdout), (Some(0), ""), "{left:?}");
    assert!(fs::read(scene.path("kept")).unwrap() == bytes);
    let shown = scene.daemon.read(&id).await["command"]["stdin"].clone();
    assert_eq!(shown["bytes"], 200_000);
    let sum = std::process::Command::new("sha256sum")
        .arg(scene.path("kept"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert!(
        sum.starts_with(shown["sha256"].as_str().unwrap()),
        "{sum} {shown}"
    );

    let empty = scene.start(&["--bind-stdin", "--", "cat"]);
    let id = scene.approve().await;
    assert_eq!(empty.left().await.stdout, "");
    assert_eq!(
        scene.daemon.read(&id).await["command"]["stdin"]["sha256"],
        NOTHING
    );
}

#[tokio::test]
async fn standard_input_that_is_not_bound_is_left_for_the_command() {
    let scene = scene();
    let command = scene.requester(&scene.daemon.url(), &["--", "cat"]);
    let requester = given(command, b"for the command alone").await;
    scene.approve().await;
    assert_eq!(requester.left().await.stdout, "for the command alone");
}

#[tokio::test]
async fn standard_input_that_does_not_end_in_time_is_64() {
    let scene = scene();
    let mut command = scene.requester(&scene.daemon.url(), &["--bind-stdin", "--", "cat"]);
    command.stdin(Stdio::from(fs::File::open("/dev/zero").unwrap()));
    let left = Requester::spawned(command).left().await;
    assert_eq!(left.code, Some(64), "{left:?}");
    assert!(
        left.stderr
            .contains("standard input: it has more than 64 MiB"),
        "{left:?}"
    );
    assert!(scene.daemon.requests().await.is_empty());
}
