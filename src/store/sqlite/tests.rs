//! The contract, and what only a file can do.

use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::store::SharedStore;
use crate::store::contract::{Opener, suite};

/// A directory with a database in it.
struct Dir(TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("pushd.db")
    }
}

#[async_trait]
impl Opener for Dir {
    fn durable(&self) -> bool {
        true
    }

    async fn open(&self, feed: Arc<dyn Feed>) -> SharedStore {
        Arc::new(SqliteStore::open(self.path(), feed).await.unwrap())
    }
}

suite!(Dir::new());
