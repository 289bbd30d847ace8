//! The classic routes: the demonstration's pages and servers, as they were.

mod chromium;
mod koa;
mod pages;
mod polls;
mod refusals;
mod relayed;
mod resends;

use reqwest::Method;
use serde_json::Value;

use crate::call::{Call, Reply};
use crate::daemon::{Daemon, setup};
use crate::until::until;

/// A daemon with the classic routes.
fn classic() -> Daemon {
    setup().flags("--classic").start()
}

impl Daemon {
    /// Client A's call.
    fn polling(&self, query: &str) -> Call {
        self.call(Method::GET, &format!("/longPolling{query}"))
    }

    /// Client D's answer, to the channel that the query names, by somebody who has looked.
    async fn sure(&self, query: &str, form: &'static str) -> Reply {
        until("an answer that counts", async || {
            let reply = self.sure_at_once(query, form).await;
            let early = reply.status == 409 && reply.problem().1 == "just_asked";
            (!early).then_some(reply)
        })
        .await
    }

    /// The same, however young the question is.
    async fn sure_at_once(&self, query: &str, form: &'static str) -> Reply {
        let call = self.post(&format!("/sure{query}"));
        let form_type = "application/x-www-form-urlencoded";
        call.header("content-type", form_type).body(form).await
    }

    /// The requests that are pending, newest first.
    async fn all_pending(&self) -> Vec<Value> {
        let list = self.get("/v1/requests?status=pending").await;
        list.json()["requests"].as_array().unwrap().clone()
    }

    /// Waits until one question is pending; answers its id.
    async fn question(&self) -> String {
        until("a question", async || {
            let pending = self.all_pending().await;
            let [one] = &pending[..] else { return None };
            Some(one["id"].as_str().unwrap().to_owned())
        })
        .await
    }
}
