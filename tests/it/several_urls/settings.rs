//! Where the URLs come from, and what `requester doctor` says of several.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use super::Scene;
use crate::daemon::{Ran, setup};
use crate::programs::Requester;

#[tokio::test]
async fn a_variable_and_a_profile_name_several_as_flags_do() {
    let scene = Scene::new().await;
    let (a, b) = (scene.a.url(), scene.b.url());
    scene.a.close().await;
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("pushd")).unwrap();
    let file = home.path().join("pushd/config.toml");
    fs::write(&file, format!("[team]\nurls = [\"{a}\", \"{b}\"]\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (commas, spaces) = (format!("{a},{b}"), format!("{a} {b}"));
    let home = home.path().to_str().unwrap();
    for variables in [
        &[("PUSHD_URL", &*commas)][..],
        &[("PUSHD_URL", &*spaces)],
        &[("XDG_CONFIG_HOME", home), ("PUSHD_PROFILE", "team")],
    ] {
        let asked = Requester::start_anywhere(&["--detach"], variables)
            .left()
            .await;
        assert_eq!(asked.code, Some(3), "{asked:?}");
        assert!(
            asked.stderr.contains(&format!("going on with {b} (")),
            "{asked:?}"
        );
    }
    // One before the name of a command goes with those behind it, or in their place.
    let id = "a".repeat(26);
    let left = Requester::start_anywhere(&["--url", &a, "status", &id, "--url", &b], &[])
        .left()
        .await;
    assert!(left.stderr.contains(&b), "{left:?}");
}

async fn doctor(urls: &[&str], args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_requester"));
    command.env_clear().env("PUSHD_URL", urls.join(","));
    command.args(args).arg("doctor");
    let ran = tokio::task::spawn_blocking(|| Ran::to_its_end(command));
    ran.await.unwrap()
}

#[tokio::test]
async fn the_doctor_looks_at_each_and_whether_they_share_a_store() {
    let scene = Scene::new().await;
    let (a, b) = (scene.a.url(), scene.b.url());
    let ran = doctor(&[&a, &b], &[]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("one store is behind all 2"), "{ran:?}");
    for url in [&a, &b] {
        assert!(
            ran.stdout
                .contains(&format!("{url}, as --url or PUSHD_URL says"))
        );
    }

    let other = setup().start();
    let ran = doctor(&[&a, &other.url()], &[]).await;
    assert_eq!(ran.code, Some(0), "an ask comes through: {ran:?}");
    assert!(ran.stdout.contains("warn  store"), "{ran:?}");
    assert!(ran.stdout.contains("have different ones"), "{ran:?}");

    scene.a.close().await;
    let ran = doctor(&[&a, &b], &["--json"]).await;
    assert_eq!(ran.code, Some(0), "an ask goes on with the other: {ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let failed = findings.iter().find(|finding| finding["level"] == "fail");
    assert_eq!(failed.unwrap()["url"], *a, "{report}");

    scene.b.close().await;
    assert_eq!(doctor(&[&a, &b], &[]).await.code, Some(69));
}
