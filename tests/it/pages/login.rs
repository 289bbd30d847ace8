//! Who a page is for: logging in and out, and what is shown to whom.

mod ends;
mod form;
mod link;
mod looks;
mod rights;
mod secure;
mod strangers;

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::{Daemon, setup};
use crate::people::People;

/// A daemon that knows an approver, somebody who may ask and approve, a program that asks, and
/// somebody who only looks.
fn town() -> (Daemon, People) {
    town_with("")
}

/// The same with more flags.
fn town_with(flags: &str) -> (Daemon, People) {
    let setup = setup();
    let people = People::new(
        &setup,
        &[
            ("alice", "approver", "*"),
            ("bob", "requester,approver", "*"),
            ("ci", "requester", "*"),
            ("olga", "observer", "*"),
        ],
    );
    let daemon = setup.flags(&people.flag()).flags(flags).start();
    (daemon, people)
}

/// Whose page it is, as the daemon tells the page's own calls.
const ME: &str =
    "return fetch('/v1/me').then((it) => it.json()).then((it) => it.principal ?? it.code)";

impl Browser {
    /// Waits for the form on the page and sends this token.
    async fn give_token(&self, token: &str) {
        self.says("#login", "Your token").await;
        self.type_into("#token", token).await;
        self.press_on("#login [type=submit]").await;
    }

    /// Logs in by the form, and waits until the inbox is there.
    pub(super) async fn log_in(&self, daemon: &Daemon, token: &str) {
        self.open(&format!("{}/login", daemon.url())).await;
        self.give_token(token).await;
        self.until("the inbox", "return location.pathname === '/'")
            .await;
    }

    /// Waits until the page is at this path, with its query and without a fragment.
    async fn is_at(&self, path: &str) {
        let script = format!(
            "return location.pathname + location.search + location.hash === {}",
            json!(path)
        );
        self.until(&format!("the page to be {path}"), &script).await;
    }

    /// Who is logged in, or the code of the daemon's refusal.
    async fn caller(&self) -> String {
        let me = self.run(ME, json!([])).await;
        me.as_str().unwrap().to_owned()
    }
}
