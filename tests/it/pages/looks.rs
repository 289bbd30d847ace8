//! How the pages look, for eyes and for programs that read them aloud.
//!
//! axe-core is put into the page by the test; the daemon does not have it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::votes::Team;
use crate::browser::Browser;
use crate::daemon::{Daemon, setup};
use crate::front::{BAD_GATEWAY, Front, Way};
use crate::until::until;

/// Where `scripts/check.sh` keeps axe-core.
pub(super) fn axe() -> String {
    let named = std::env::var_os("PUSHD_CHECK_AXE").map(PathBuf::from);
    let found = named.or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
        let tools = std::fs::read_dir(cache.join("pushd-check")).ok()?;
        let mut tools = tools.map_while(Result::ok).map(|tool| tool.path());
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("axe-core-")
        };
        Some(tools.find(is_it)?.join("node_modules/axe-core/axe.min.js"))
    });
    let path = found.expect("scripts/check.sh installs axe-core");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Faults that axe-core finds and calls serious or worse.
async fn faults(browser: &Browser, axe: &str) -> Vec<Value> {
    browser.run(&format!("{axe}; return true"), json!([])).await;
    let found = browser
        .run(
            "return axe.run(document, { resultTypes: ['violations'] })",
            json!([]),
        )
        .await;
    assert!(
        found["passes"].as_array().unwrap().len() > 10,
        "it has looked"
    );
    let violations = found["violations"].as_array().unwrap().iter();
    violations
        .filter(|fault| fault["impact"] == "serious" || fault["impact"] == "critical")
        .map(|fault| json!({"id": fault["id"], "help": fault["help"],
            "where": fault["nodes"].as_array().unwrap().iter().map(|node| node["html"].clone()).collect::<Vec<_>>()}))
        .collect()
}

/// Requests in all states.
async fn busy(daemon: &Daemon) -> (String, String) {
    for (title, verdict) in [
        (
            "Rotate the API keys of the payment gateway?",
            json!({"verdict": "approve"}),
        ),
        (
            "Drop the table users_old?",
            json!({"verdict": "deny", "reason": "frozen until Monday"}),
        ),
    ] {
        let id = daemon.ask(title).await;
        daemon.deciding(&id, &verdict).await;
    }
    let withdrawn = daemon.ask("Restart the build farm?").await;
    daemon.delete(&format!("/v1/requests/{withdrawn}")).await;
    let plan = "Plan: 2 to add, 1 to change, 0 to destroy.\n\n  \
        # aws_instance.web will be updated in-place\n  ~ resource \"aws_instance\" \"web\" {\n      \
        ~ instance_type = \"t3.small\" -> \"t3.large\"\n    }\n"
        .to_owned()
        + &"\n\t+ one more step".repeat(40);
    let asked = json!({"title": "Deploy 1.4.2 to production?", "topic": "deploy/prod", "details": plan,
        "fields": [{"name": "service", "value": "shop"}, {"name": "commit", "value": "8f3a1c9d2e7b"}]});
    let pending = daemon.asking(&asked).await.id();
    daemon.ask("Run <b>sudo</b> \u{202e}now\u{202c}?").await;
    let denied = daemon.ask("Delete the staging cluster?").await;
    daemon
        .deciding(
            &denied,
            &json!({"verdict": "deny", "reason": "still in use"}),
        )
        .await;
    (pending, denied)
}

impl Browser {
    /// Light or dark, with nothing that moves.
    pub(super) async fn theme(&self, theme: &str) {
        let media = json!({"features": [
            {"name": "prefers-color-scheme", "value": theme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.devtools("Emulation.setEmulatedMedia", media).await;
        let moves = "return document.getAnimations().length";
        assert_eq!(self.run(moves, json!([])).await, 0, "something moves");
    }
}

/// Takes pictures of a page on screens of three sizes, on none of which it is too wide; answers
/// its faults.
pub(super) async fn look(browser: &Browser, axe: &str, name: &str) -> Vec<String> {
    for (device, width, height) in [
        ("narrow", 320, 640),
        ("phone", 390, 844),
        ("wide", 1280, 900),
    ] {
        browser.resize(width, height).await;
        let fits = browser.run(super::single::FITS, json!([])).await;
        assert_eq!(fits, true, "{name} at {width} px");
        browser.screenshot(&format!("{name}-{device}")).await;
    }
    let faults = faults(browser, axe).await.into_iter();
    faults.map(|fault| format!("{name}: {fault:#}")).collect()
}

#[tokio::test]
async fn nothing_serious_is_wrong_for_those_who_do_not_see_or_point() {
    let daemon = setup().start();
    let (pending, denied) = busy(&daemon).await;
    let axe = axe();
    let browser = Browser::start().await;
    let mut found = Vec::new();
    for (name, path) in [
        ("inbox", "/".to_owned()),
        ("request", format!("/r/{pending}")),
        ("outcome", format!("/r/{denied}")),
        ("missing", "/r/nothing".to_owned()),
        ("ask", "/ask".to_owned()),
    ] {
        browser.open(&format!("{}{path}", daemon.url())).await;
        let shown = match name {
            "inbox" => "return document.querySelectorAll('.card').length === 2",
            "missing" => "return !document.getElementById('missing').hidden",
            "ask" => "return document.getElementById('title').maxLength === 200",
            _ => "return document.querySelectorAll('.card').length === 1",
        };
        browser.until(&format!("{name} to be drawn"), shown).await;
        for theme in ["light", "dark"] {
            browser.theme(theme).await;
            found.extend(look(&browser, &axe, &format!("{name}-{theme}")).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What comes and goes: a click too early, a cut, something settled, long texts, and a form that
/// waits, is in trouble, and has its answer.
#[tokio::test]
async fn nothing_serious_is_wrong_with_what_comes_and_goes() {
    let daemon = setup().start();
    let axe = axe();
    let out = Arc::new(AtomicBool::new(false));
    let is_out = Arc::clone(&out);
    let front = Front::before(&daemon, move |_, line| {
        if is_out.load(Ordering::SeqCst) && line.contains(" /v1/") {
            BAD_GATEWAY
        } else {
            Way::Through
        }
    })
    .await;
    let asked = json!({"title": "Deploy?", "fields": [
        {"name": "hosts", "value": "web-1.example\n".repeat(40)},
        {"name": "a name that is as long as a name may be, which is sixty-four", "value": "x".repeat(300)},
    ]});
    let pending = daemon.asking(&asked).await.id();
    let settled = daemon.ask("Drop the table users_old?").await;
    let mut found = Vec::new();
    let (inbox, form) = tokio::join!(Browser::start(), Browser::start());
    // What is settled goes after a while, unless time stands still.
    let still = json!({ "source": "performance.now = () => 0" });
    inbox
        .devtools("Page.addScriptToEvaluateOnNewDocument", still)
        .await;
    inbox.open(&front.url()).await;
    inbox.card_is(&pending, "pending").await;
    inbox.card_is(&settled, "pending").await;
    let reason = json!({"verdict": "deny", "reason": "frozen until Monday"});
    daemon.deciding(&settled, &reason).await;
    inbox.card_is(&settled, "denied").await;
    inbox.press_on(".card .approve").await;
    inbox.says(".card .status", "had only just come here").await;
    form.open(&format!("{}/ask", front.url())).await;
    let works = "return document.getElementById('title').maxLength === 200";
    form.until("the page to work", works).await;
    form.press_on("#add-field").await;
    form.type_into("#title", "Rotate the API keys of the payment gateway?")
        .await;
    form.press_on("#ask [type=submit]").await;
    form.says("#polls", "Poll").await;
    for theme in ["light", "dark"] {
        inbox.theme(theme).await;
        found.extend(look(&inbox, &axe, &format!("inbox-busy-{theme}")).await);
        form.theme(theme).await;
        found.extend(look(&form, &axe, &format!("asked-{theme}")).await);
    }
    // Time goes on, so that the banner comes.
    inbox
        .run("performance.now = () => Date.now()", json!([]))
        .await;
    out.store(true, Ordering::SeqCst);
    let daemon = daemon.crash_and_restart();
    inbox.says("#banner", "The daemon cannot be heard").await;
    form.says("#banner", "The daemon cannot be heard").await;
    form.says("#banner", "Last contact at").await;
    // The banner has moved the button.
    until("the cancellation to be taken", async || {
        form.press_on("#cancel").await;
        let said = form.text("#said").await;
        said.contains("Cancelling").then_some(())
    })
    .await;
    for theme in ["light", "dark"] {
        inbox.theme(theme).await;
        found.extend(look(&inbox, &axe, &format!("inbox-cut-{theme}")).await);
        form.theme(theme).await;
        found.extend(look(&form, &axe, &format!("asked-cut-{theme}")).await);
    }
    out.store(false, Ordering::SeqCst);
    form.says("#outcome", "Cancelled by its requester").await;
    // The daemon has just been heard, so nothing says that it cannot be.
    assert_eq!(form.text("#banner").await, "");
    form.says("#link", "Live").await;
    for theme in ["light", "dark"] {
        form.theme(theme).await;
        found.extend(look(&form, &axe, &format!("asked-outcome-{theme}")).await);
    }
    drop(daemon);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Commands, plain and hostile, votes, and all that a policy can set.
#[tokio::test]
async fn nothing_serious_is_wrong_with_commands_and_votes() {
    let team = Team::new();
    let axe = axe();
    let digest = "3f2a9c01b2d4e5f60718293a4b5c6d7e8f9011223344556677889900aabbccdd";
    let apply = json!({"argv": ["terraform", "apply", "-var", "name=two words", "plan.out"],
        "program": "/usr/bin/terraform", "directory": "/srv/infra", "user": "ci", "host": "ci-1",
        "environment": [{"name": "TF_WORKSPACE", "value": "prod"}],
        "stdin": {"sha256": digest, "bytes": 0},
        "files": [{"path": "plan.out", "sha256": digest, "bytes": 18211}]});
    let plain = json!({"title": "Apply the plan?", "command": apply, "need": 2});
    let plain = team.asked(&plain).await;
    let hostile = json!({"title": "Run it?", "command": super::commands::hostile()});
    let hostile = team.asked(&hostile).await;
    let vote = json!({"verdict": "approve", "reason": "read, and compared with the ticket"});
    team.votes("alice", &plain, &vote).await;
    let strict = team
        .asked(&json!({"title": "Deploy?", "topic": "prod"}))
        .await;
    let browser = team.alice_at("/").await;
    let mut found = Vec::new();
    for (name, path) in [
        ("command-voted", format!("/r/{plain}")),
        ("command-hostile", format!("/r/{hostile}")),
        ("terms", format!("/r/{strict}")),
        ("inbox-commands", "/".to_owned()),
    ] {
        if name == "terms" {
            browser.meets(&super::terms::strict()).await;
        }
        browser.open(&format!("{}{path}", team.daemon.url())).await;
        let drawn = "return document.querySelectorAll('.card').length > 0";
        browser.until(&format!("{name} to be drawn"), drawn).await;
        for theme in ["light", "dark"] {
            browser.theme(theme).await;
            found.extend(look(&browser, &axe, &format!("{name}-{theme}")).await);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn the_inbox_can_be_installed() {
    let daemon = setup().start();
    let browser = Browser::at(&daemon, "/").await;
    browser.is_live().await;
    let manifest = browser.devtools("Page.getAppManifest", json!({})).await;
    assert_eq!(manifest["errors"], json!([]), "{manifest}");
    assert!(
        manifest["url"]
            .as_str()
            .unwrap()
            .ends_with("/assets/manifest.webmanifest")
    );
    let faults = browser
        .devtools("Page.getInstallabilityErrors", json!({}))
        .await;
    assert_eq!(faults["installabilityErrors"], json!([]), "{faults}");
}

#[tokio::test]
async fn without_javascript_the_page_says_what_to_do() {
    let daemon = setup().start();
    let browser = Browser::start().await;
    let off = json!({"value": true});
    browser
        .devtools("Emulation.setScriptExecutionDisabled", off)
        .await;
    for path in ["/", "/r/x", "/ask"] {
        browser.open(&format!("{}{path}", daemon.url())).await;
        let text = browser.text(".notice").await;
        assert!(
            text.contains("needs JavaScript") && text.contains("curl"),
            "{path}: {text}"
        );
        assert_eq!(
            browser.text("main").await,
            "",
            "{path}: nothing that does not work is shown"
        );
    }
    browser.screenshot("noscript").await;
}
