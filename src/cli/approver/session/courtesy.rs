//! Calls that we can do without: who we are, and that a question is in view.

use tokio::time::timeout;

use super::Session;
use crate::domain::RequestId;
use crate::limits;
use crate::wire::MeView;

impl Session<'_> {
    /// Asks who we are, before anything is asked here: the first courtesy that is answered, or
    /// given up after [`limits::COURTESY_TIME`].
    pub(super) fn ask_who_we_are(&mut self) {
        let client = self.client.clone();
        self.courtesy(async move { client.me().await.ok().map(|answer| answer.value) });
    }

    /// Tells the daemon that a person has the question in view, once.
    pub(super) fn tell_seen(&mut self, id: RequestId) {
        if self.seen.len() >= limits::INBOX {
            self.seen.clear();
        }
        if self.seen.insert(id) {
            let client = self.client.clone();
            self.courtesy(async move {
                drop(client.seen(id).await);
                None
            });
        }
    }

    /// Makes a call that must not hold up anything: too many of them, or too slow ones, are left
    /// out.
    fn courtesy(&mut self, call: impl Future<Output = Option<MeView>> + 'static) {
        if self.courtesies.len() < limits::COURTESIES {
            let call = async { timeout(limits::COURTESY_TIME, call).await.ok().flatten() };
            self.courtesies.push(Box::pin(call));
        }
    }
}
