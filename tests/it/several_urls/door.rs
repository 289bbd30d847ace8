//! One way to a daemon that can be shut and opened again, or swallow everything.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::daemon::Daemon;

/// What becomes of connections, those that are there as well as new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Is {
    /// They lead to the daemon.
    Open,
    /// They are closed.
    Shut,
    /// They are held, and nothing passes.
    Silent,
}

/// The way; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    is: watch::Sender<Is>,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Door {
    /// An open door to `daemon`.
    pub(crate) async fn to(daemon: &Daemon) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is, seen) = watch::channel(Is::Open);
        let backend = daemon.address();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                connections.spawn(serve(client, backend, seen.clone()));
            }
        });
        Self { address, is, task }
    }

    /// From now on it is like that.
    pub(crate) fn now(&self, is: Is) {
        self.is.send_replace(is);
    }

    /// Nobody listens there any more, and all connections are closed.
    pub(crate) async fn close(mut self) {
        self.task.abort();
        let ended = (&mut self.task).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Where clients find it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(mut client: TcpStream, backend: SocketAddr, mut is: watch::Receiver<Is>) {
    let passing = async {
        let mut daemon = TcpStream::connect(backend).await?;
        copy_bidirectional(&mut client, &mut daemon).await
    };
    let closed = *is.borrow() != Is::Open;
    tokio::select! {
        biased;
        _ = is.wait_for(|is| *is != Is::Open) => {}
        _ = passing, if !closed => return,
    }
    // It is dropped when the door is shut.
    drop(is.wait_for(|is| *is == Is::Shut).await);
}
