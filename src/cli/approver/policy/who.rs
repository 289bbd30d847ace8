//! Who a policy answers as: without that it would judge again, after a restart, what it has voted on.

use tokio::time::sleep;

use crate::client::{Backoff, CallError, Client};

/// Asks the daemon until it says; `None` when it knows nobody by name, or does not know the call.
///
/// It tries again after everything but the daemon's own no: as long as the daemon cannot be reached,
/// there is nothing to judge either.
pub(super) async fn who(client: Client) -> Option<String> {
    let mut backoff = Backoff::new();
    loop {
        let retry_after = match client.me().await {
            Ok(answer) => {
                let me = answer.value;
                return me.known.then_some(me.party.principal);
            }
            Err(error @ CallError::Refused { .. }) if !error.is_foreign() => return None,
            Err(CallError::Transient { retry_after, .. }) => retry_after,
            Err(
                CallError::Refused { .. }
                | CallError::Untrusted { .. }
                | CallError::NotPushd { .. },
            ) => None,
        };
        sleep(backoff.next(retry_after)).await;
    }
}
