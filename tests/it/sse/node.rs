//! The `EventSource` of Node's package `eventsource`.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::{LISTEN, Listener, Told};
use crate::daemon::Daemon;

/// A Node process that listens; it ends when it is dropped.
pub(super) struct Node {
    told: Arc<Mutex<Vec<Told>>>,
    _child: Child,
}

impl Node {
    pub(super) fn listen(daemon: &Daemon) -> Self {
        let script = format!(
            "const {{ EventSource }} = require(process.argv[1]);
             const url = process.argv[2];
             const tell = (it) => process.stdout.write(JSON.stringify(it) + '\\n');
             {LISTEN}"
        );
        let mut child = Command::new("node")
            .args(["-e", &script])
            .arg(package())
            .arg(format!("{}/v1/events", daemon.url()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("node: {error}; see scripts/check.sh"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let it = Told::from_json(&serde_json::from_str(&line).unwrap());
                keep.lock().unwrap().push(it);
            }
        });
        Self {
            told,
            _child: child,
        }
    }
}

/// Where `scripts/check.sh` keeps the package.
fn package() -> PathBuf {
    let modules = std::env::var_os("PUSHD_CHECK_NODE_MODULES").map(PathBuf::from);
    let found = modules.or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
        let tools = std::fs::read_dir(cache.join("pushd-check")).ok()?;
        let mut tools = tools.map_while(Result::ok).map(|tool| tool.path());
        let is_it = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("eventsource-")
        };
        Some(tools.find(is_it)?.join("node_modules"))
    });
    found
        .expect("scripts/check.sh installs Node's package eventsource")
        .join("eventsource")
}

impl Listener for Node {
    // It resumes after the last event that it was told, and so is told more again.
    const COUNTS_BARE_IDS: bool = false;

    async fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    async fn quit(self) {}
}
