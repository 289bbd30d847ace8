//! A real browser: Chromium without a window, driven by the protocol of its driver (W3C `WebDriver`).
//!
//! The few calls of the protocol that tests need are made here, because the crates for it bring a
//! second HTTP client and parts under a licence that `deny.toml` does not take. There is one
//! driver and one browser for each test, on a free port and with a profile of their own, and both
//! end with it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use crate::until::until;

/// How long a step of the browser may take: it starts slowly on a machine under load.
const PATIENCE: Duration = Duration::from_mins(1);
/// Arguments that leave nothing but a browser for one test: no window, no sandbox (which root
/// cannot have), and no services that call home.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--hide-scrollbars",
];

/// A browser; its calls go to one of its tabs.
#[derive(Debug)]
pub(crate) struct Browser {
    http: reqwest::Client,
    /// The session's URL; commands are below it.
    session: String,
    pid: Option<Pid>,
    _driver: Driver,
    profile: TempDir,
}

impl Browser {
    /// Starts it, with an empty page.
    ///
    /// # Panics
    /// There is no `chromedriver`, or no browser for it: `scripts/check.sh` installs both.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with more arguments.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let profile = TempDir::with_prefix("pushd-it-browser-").unwrap();
        let (driver, port) = Driver::start();
        let base = format!("http://127.0.0.1:{port}");
        // Losing a race against another test that installs it is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        let arguments = ARGUMENTS.iter().chain(more).copied();
        let mut arguments: Vec<_> = arguments.map(str::to_owned).collect();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let made = command(&http, Method::POST, &format!("{base}/session"), &wanted).await;
        let pid = made["capabilities"]["goog:processID"].as_i64();
        Self {
            http,
            session: format!("{base}/session/{}", made["sessionId"].as_str().unwrap()),
            pid: pid.and_then(|pid| Pid::from_raw(pid.try_into().unwrap())),
            _driver: driver,
            profile,
        }
    }

    /// Opens a page and waits until it has loaded.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Runs the body of a function in the page, which finds these values in `arguments`; answers
    /// what it returns, awaited if it is a promise.
    pub(crate) async fn run(&self, script: &str, arguments: Value) -> Value {
        let call = json!({"script": script, "args": arguments});
        self.post("execute/sync", call).await
    }

    /// Runs a script again and again until it returns something true; answers that.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Value {
        until(what, async || {
            let found = self.run(script, json!([])).await;
            (!matches!(found, Value::Null | Value::Bool(false))).then_some(found)
        })
        .await
    }

    /// Ends it in good order. A test that fails before just drops it.
    pub(crate) async fn quit(mut self) {
        let none = json!({});
        command(&self.http, Method::DELETE, &self.session, &none).await;
        self.pid = None;
    }

    /// Opens another tab and goes to it; answers its name.
    pub(crate) async fn new_tab(&self) -> String {
        self.open_new("tab").await
    }

    /// Opens another window and goes to it; answers the name of its tab.
    pub(crate) async fn new_window(&self) -> String {
        self.open_new("window").await
    }

    async fn open_new(&self, kind: &str) -> String {
        let made = self.post("window/new", json!({ "type": kind })).await;
        let handle = made["handle"].as_str().unwrap().to_owned();
        self.go_to(&handle).await;
        handle
    }

    /// Closes a tab.
    pub(crate) async fn close(&self, tab: &str) {
        self.post("window", json!({ "handle": tab })).await;
        let url = format!("{}/window", self.session);
        command(&self.http, Method::DELETE, &url, &json!({})).await;
    }

    /// Goes to the tab that was there from the start.
    pub(crate) async fn go_to_first(&self) {
        let url = format!("{}/window/handles", self.session);
        let tabs = command(&self.http, Method::GET, &url, &json!({})).await;
        self.go_to(tabs[0].as_str().unwrap()).await;
    }

    /// Takes a picture of the whole page, for people to look at: `target/screenshots/NAME.png`.
    pub(crate) async fn screenshot(&self, name: &str) {
        let taken = self
            .devtools(
                "Page.captureScreenshot",
                json!({"captureBeyondViewport": true}),
            )
            .await;
        let image = data_encoding::BASE64.decode(taken["data"].as_str().unwrap().as_bytes());
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let folder = target.join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), image.unwrap()).unwrap();
    }

    /// Goes to a tab, which comes to the front.
    pub(crate) async fn go_to(&self, tab: &str) {
        self.post("window", json!({ "handle": tab })).await;
        self.devtools("Page.bringToFront", json!({})).await;
    }

    /// Presses the left button of the mouse at a point of the window, in pixels of the page.
    pub(crate) async fn press(&self, x: f64, y: f64) {
        let mouse = json!({"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
        "actions": [
            {"type": "pointerMove", "duration": 0, "x": x.round(), "y": y.round()},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]});
        self.post("actions", json!({ "actions": [mouse] })).await;
    }

    /// Presses and releases a key.
    pub(crate) async fn key(&self, key: &str) {
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": [
            {"type": "keyDown", "value": key},
            {"type": "keyUp", "value": key},
        ]});
        self.post("actions", json!({ "actions": [keyboard] })).await;
    }

    /// A command of the browser's own protocol for developers.
    pub(crate) async fn devtools(&self, name: &str, parameters: Value) -> Value {
        let call = json!({"cmd": name, "params": parameters});
        self.post("goog/cdp/execute", call).await
    }

    /// What pages have complained about since the last time: errors, refused calls, and what their
    /// security policy has kept them from.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({"type": "browser"})).await;
        let entries = log.as_array().unwrap().iter();
        let serious = entries.filter(|entry| entry["level"] == "SEVERE");
        serious
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn post(&self, what: &str, members: Value) -> Value {
        let url = format!("{}/{what}", self.session);
        command(&self.http, Method::POST, &url, &members).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver would leave it running. It may be gone already, which is as good.
        if let Some(pid) = self.pid {
            kill_process(pid, Signal::KILL).unwrap_or_default();
        }
        // Its helpers end when they notice, and write into the profile until then.
        let end = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir_all(self.profile.path()).is_err_and(|error| {
            error.kind() != std::io::ErrorKind::NotFound && Instant::now() < end
        }) {
            std::thread::yield_now();
        }
    }
}

/// Sends one command; answers the value of its result.
async fn command(http: &reqwest::Client, method: Method, url: &str, members: &Value) -> Value {
    let call = http
        .request(method, url)
        .header("content-type", "application/json")
        .body(members.to_string());
    let answering = async { call.send().await?.bytes().await };
    let answer = timeout(PATIENCE, answering).await;
    let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer to {url}"));
    let answer: Value = serde_json::from_slice(&answer.unwrap()).unwrap();
    let value = &answer["value"];
    assert!(
        value["error"].is_null(),
        "{url} {members}: {}: {}",
        value["error"],
        value["message"]
    );
    value.clone()
}

/// The program between us and the browser.
#[derive(Debug)]
struct Driver(Child);

impl Driver {
    /// Starts it on a free port; answers that.
    ///
    /// The port that it is given for IPv6 it wants for IPv4 as well, and where that one is taken it
    /// leaves.
    fn start() -> (Self, u16) {
        const ATTEMPTS: usize = 32;
        let mut attempts = std::iter::repeat_with(Self::attempt).take(ATTEMPTS);
        attempts.find_map(|it| it).expect("chromedriver listens")
    }

    /// Starts it; `None` when it leaves before it listens.
    fn attempt() -> Option<(Self, u16)> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("chromedriver: {error}; see scripts/check.sh"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let this = Self(child);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let port = line.split_once("successfully on port ");
                if let Some(Ok(port)) = port.map(|(_, port)| port.trim_end_matches('.').parse()) {
                    // Nobody waits for a second one.
                    tell.send(port).unwrap_or_default();
                }
            }
        });
        match told.recv_timeout(PATIENCE) {
            Ok(port) => Some((this, port)),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("chromedriver does not listen"),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop((self.0.kill(), self.0.wait()));
    }
}
