//! Unix sockets: who is at the other end is known without a token.
//!
//! The suite is run by root in a container, and by anybody elsewhere: what needs a second user is
//! then done by this one alone.

mod files;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::daemon::{Daemon, Ran, Setup, setup};
use crate::programs::{Left, Requester};
use crate::pty::Pty;
use crate::until::until;

/// A name without an account.
const NOBODY_KNOWN: &str = "3999999";

/// A daemon on a socket and on a port, through which the test looks at it.
fn daemon() -> Daemon {
    on_socket(setup()).start()
}

fn on_socket(setup: Setup) -> Setup {
    // Another user's client has to get to it.
    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(setup.path(""), open).unwrap();
    let flag = format!("--listen {}", url(&setup));
    setup.flags(&flag)
}

fn url(setup: &Setup) -> String {
    format!("unix:{}", socket(setup).display())
}

fn socket(setup: &Setup) -> PathBuf {
    setup.path("pushd.sock")
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// The principal of whoever runs the suite.
fn own_principal() -> String {
    let id = Ran::to_its_end({
        let mut command = Command::new("id");
        command.arg("-un");
        command
    });
    format!("unix:{}", id.stdout.trim())
}

/// What curl, run by the user with this number if we may, reads of `/v1/me`.
fn me_of(setup: &Setup, uid: &str) -> Value {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={uid}"),
            "--regid=65534",
            "--clear-groups",
            "curl",
        ]);
        command
    } else {
        Command::new("curl")
    };
    command
        .args(["-fsS", "--max-time", "10", "--unix-socket"])
        .arg(socket(setup))
        .arg("http://localhost/v1/me");
    let ran = Ran::to_its_end(command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// A relay on the socket is one account, and its callers are others.
#[tokio::test]
async fn the_account_of_a_relay_does_not_count_for_its_callers() {
    let daemon = daemon();
    let mut command = Command::new("curl");
    command
        .args([
            "-sS",
            "--max-time",
            "10",
            "-H",
            "Pushd-Relayed: 1",
            "--unix-socket",
        ])
        .arg(socket(daemon.setup()))
        .arg("http://localhost/v1/me");
    let ran = Ran::to_its_end(command);
    assert!(ran.stdout.contains("\"unauthenticated\""), "{ran:?}");
}

#[tokio::test]
async fn both_programs_ask_and_decide_over_a_socket_and_are_known_by_name() {
    let daemon = on_socket(setup().flags(&approvers())).start();
    let url = url(daemon.setup());
    let terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &["--url", &url], &[]);
    let requester = Requester::start(&url, &["-m", "Deploy?", "--json"]);
    terminal.wait_for(&format!("asks here what waits at {url}"));
    // Nobody approves what they have asked, but they may deny it.
    terminal.answer("yes");
    terminal.wait_for("nobody approves their own request");
    terminal.answer("no not now");
    let left = requester.left().await;
    assert_eq!(left.code, Some(1), "{left:?}");
    let request: Value = serde_json::from_str(&left.stdout).unwrap();
    let own = own_principal();
    assert_eq!(request["requester"]["principal"], own);
    assert_eq!(request["decisions"][0]["approver"]["principal"], own);
    // A socket has no address.
    assert_eq!(request["requester"].get("address"), None, "{request}");
    let approver = terminal.text();
    assert!(approver.contains(&own), "{approver}");
}

/// Who runs the suite, and everybody in a group of somebody else.
fn approvers() -> String {
    let own = own_principal();
    let own = own.strip_prefix("unix:").unwrap();
    format!("--unix-approvers {own},nogroup")
}

#[tokio::test]
async fn users_of_the_group_decide_and_no_other_does() {
    let daemon = on_socket(setup().flags(&approvers())).start();
    let url = url(daemon.setup());
    let requester = Requester::start(&url, &["-m", "Deploy?", "--json"]);
    let id = daemon.the_pending_one().await;
    let decision = format!("/v1/requests/{id}/decision");
    let yes = r#"{"verdict":"approve"}"#;
    if !is_root() {
        // There is nobody else to be, so the port decides, where nobody is known.
        let approve = serde_json::json!({"verdict": "approve"});
        assert_eq!(daemon.deciding(&id, &approve).await.status, 200);
        assert_eq!(requester.left().await.code, Some(0));
        return;
    }
    // Another user in no such group: not the daemon's, and not a group's of the same number.
    let refused = call_as(daemon.setup(), (NOBODY_KNOWN, "3999998"), &decision, yes);
    assert_eq!(refused["code"], "forbidden", "{refused}");
    let hidden = call_as(
        daemon.setup(),
        (NOBODY_KNOWN, "3999998"),
        &format!("/v1/requests/{id}"),
        "",
    );
    assert_eq!(hidden["code"], "not_found", "{hidden}");
    // The requester itself, who is an approver.
    let own = call_as(daemon.setup(), ("0", "0"), &decision, yes);
    assert_eq!(own["code"], "own_request", "{own}");
    let decided = call_as(daemon.setup(), ("65534", "65534"), &decision, yes);
    assert_eq!(decided["status"], "approved", "{decided}");
    let left = requester.left().await;
    assert_eq!(left.code, Some(0), "{left:?}");
    let request: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(
        request["decisions"][0]["approver"]["principal"],
        "unix:nobody"
    );
}

/// What curl, run by the user and group of these numbers, is answered; with a body it is a POST.
fn call_as(setup: &Setup, (uid, gid): (&str, &str), path: &str, body: &str) -> Value {
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={uid}"),
        &format!("--regid={gid}"),
        "--clear-groups",
    ]);
    command.args(["curl", "-sS", "--max-time", "10", "--unix-socket"]);
    command
        .arg(socket(setup))
        .arg(format!("http://localhost{path}"));
    if !body.is_empty() {
        command.args(["-H", "Content-Type: application/json", "-d", body]);
    }
    let ran = Ran::to_its_end(command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test]
async fn each_user_has_the_principal_of_the_account() {
    let daemon = daemon();
    if is_root() {
        for (uid, principal) in [
            ("65534", "unix:nobody"),
            ("0", "unix:root"),
            (NOBODY_KNOWN, "unix:uid-3999999"),
        ] {
            let me = me_of(daemon.setup(), uid);
            assert_eq!(me["principal"], principal, "{me}");
        }
    } else {
        assert_eq!(me_of(daemon.setup(), "")["principal"], own_principal());
    }
    // Over the network nobody is anybody.
    assert_eq!(daemon.get("/v1/me").await.json()["principal"], "local");
}

/// The link of a request, without a public URL and with one.
#[tokio::test]
async fn the_page_is_named_only_when_a_browser_can_open_it() {
    for (flags, words) in [
        ("", "page: none can be named"),
        (
            "--public-url https://pushd.example",
            "page: https://pushd.example/r/",
        ),
    ] {
        let daemon = on_socket(setup().flags(flags)).start();
        let url = url(daemon.setup());
        let requester = Requester::start(&url, &["-m", "Deploy?", "--qr"]);
        requester.told(words).await;
        daemon.deny_the_pending_one().await;
        assert_eq!(requester.left().await.code, Some(1));
    }
}

#[tokio::test]
async fn an_approver_who_is_not_there_is_named_at_the_start() {
    let setup = on_socket(setup()).flags("--unix-approvers root,no-such-team");
    let (code, told) = setup.fails();
    assert_eq!(code, Some(78), "{told}");
    assert!(
        told.contains("--unix-approvers") && told.contains("no-such-team"),
        "{told}"
    );
}

async fn cannot(path: &str, words: &str) {
    let arguments = ["-m", "Deploy?", "--connect-timeout", "1s"];
    let Left { code, stderr, .. } = Requester::start(&format!("unix:{path}"), &arguments)
        .left()
        .await;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.contains(words) && stderr.contains(path), "{stderr}");
}

#[tokio::test]
async fn a_client_says_what_is_wrong_with_the_socket() {
    let setup = setup();
    let path = |name| setup.path(name).to_str().unwrap().to_owned();
    cannot(&path("missing.sock"), "No such file").await;
    std::fs::write(path("file"), "").unwrap();
    cannot(&path("file"), "no socket").await;
    drop(std::os::unix::net::UnixListener::bind(path("left.sock")).unwrap());
    cannot(&path("left.sock"), "refused").await;
}

/// A stream goes on where it was, and a poll is held, over a restart.
#[tokio::test]
async fn clients_come_back_after_a_restart() {
    let daemon = on_socket(setup().flags(&approvers())).start();
    let url = url(daemon.setup());
    let terminal = Pty::run(env!("CARGO_BIN_EXE_approver"), &["--url", &url], &[]);
    let requester = Requester::start(&url, &["-m", "Deploy?"]);
    terminal.wait_for("Approve? ");
    let daemon = daemon.crash_and_restart();
    daemon.subscribers_are(1).await;
    terminal.wait_until_open();
    terminal.type_keys("no\n");
    assert_eq!(requester.left().await.code, Some(1));
    until("the socket to be there", async || {
        socket(daemon.setup()).exists().then_some(())
    })
    .await;
}

impl Daemon {
    async fn deny_the_pending_one(&self) {
        let id = self.the_pending_one().await;
        let deny = serde_json::json!({"verdict": "deny"});
        assert_eq!(self.deciding(&id, &deny).await.status, 200);
    }
}
