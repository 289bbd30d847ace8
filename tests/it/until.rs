//! Waiting for a condition instead of for a time.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// The time within which everything that has to happen happens, on a slow machine under load.
pub(crate) const DEADLINE: Duration = Duration::from_secs(15);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// It has not been found by the deadline; the message says `what` was waited for.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon(what, looking).await
}

/// What `future` comes to.
///
/// # Panics
/// It has not come by the deadline; the message says `what` was waited for.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let in_time = timeout(DEADLINE, future).await;
    in_time.unwrap_or_else(|_| panic!("waited {DEADLINE:?} in vain for {what}"))
}
