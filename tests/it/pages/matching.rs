//! A request with a match code on a page.

use serde_json::json;

use crate::browser::Browser;
use crate::daemon::setup;
use crate::until::until;

impl Browser {
    /// Presses the button until the card says so; not once what was typed is on its way or has been
    /// taken, because then a further click would be another answer.
    async fn approve_with(&self, code: &str, text: &str) {
        self.type_into(".card .code input", code).await;
        let typed = "const input = document.querySelector('.card .code input');
                     return input.disabled ? null : input.value";
        until(&format!("{code:?} to lead to {text:?}"), async || {
            if self.run(typed, json!([])).await == code {
                self.press_on(".card .approve").await;
            }
            self.text(".card .status")
                .await
                .contains(text)
                .then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_yes_on_a_page_needs_the_code_that_the_requester_shows() {
    let daemon = setup().start();
    let ask = json!({"title": "Deploy?", "match_code": "004207"});
    let id = daemon.asking(&ask).await.id();
    let browser = Browser::at(&daemon, "/").await;
    browser.card_is(&id, "pending").await;
    browser.approve_with("", "Nothing was sent").await;
    assert_eq!(daemon.read(&id).await["status"], "pending");
    browser.screenshot("match-code").await;
    browser.approve_with("004 208", "2 tries are left").await;
    browser.type_into(".card .code input", "004 207").await;
    browser.decide(&id, "approve").await;
    browser.card_is(&id, "approved").await;
    let request = daemon.read(&id).await;
    assert_eq!(request["decisions"][0]["approver"]["channel"], "page");
    // A denial asks for nothing.
    let other = daemon.asking(&ask).await.id();
    browser.card_is(&other, "pending").await;
    browser.decide(&other, "deny").await;
    browser.card_is(&other, "denied").await;
    browser.quit().await;
}
