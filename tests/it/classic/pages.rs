//! The two pages, written the way the demonstration's are, and the servers that they come from.

use crate::daemon::Daemon;
use crate::front::{Front, Way};

/// Client A: polls with a time-out of five seconds and sends again when it fires. The daemon's
/// address stands behind the `?`.
const CLIENT_A: &str = "<!doctype html><title>A</title>
<button id=go onclick='send()'>log in</button> <p id=state>idle</p>
<script>
var sent = 0;
function send() {
  var state = document.getElementById('state');
  var xhr = new XMLHttpRequest();
  xhr.open('GET', location.search.slice(1) + '/longPolling');
  xhr.timeout = 5000;
  xhr.ontimeout = function () { send(); };
  xhr.onreadystatechange = function () {
    if (xhr.readyState !== 4 || xhr.status === 0) return;
    state.textContent = xhr.status === 200 ? 'yes' : xhr.status === 204 ? 'no' : 'failed';
  };
  sent += 1;
  state.textContent = 'sent ' + sent;
  xhr.send();
}
</script>";

/// Client D: hears of the question once, shows its two buttons, and sends the answer as a form.
const CLIENT_D: &str = "<!doctype html><title>D</title>
<div id=ask hidden><button id=yes onclick=\"answer('yes')\">yes</button>
<button id=no onclick=\"answer('no')\">no</button></div> <p id=state>waiting</p>
<script>
var source = new EventSource('/ensure');
source.onmessage = function (event) {
  if (event.data !== 'ensure') return;
  source.close();
  document.getElementById('ask').hidden = false;
};
function answer(word) {
  var xhr = new XMLHttpRequest();
  xhr.open('POST', '/sure');
  xhr.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded');
  xhr.onload = function () { document.getElementById('state').textContent = xhr.status; };
  xhr.send('data=' + word);
}
</script>";

/// A server of client A's page, which has an origin of its own.
pub(super) async fn of_a(daemon: &Daemon) -> (Front, String) {
    let server = Front::before(daemon, |_, _| html(CLIENT_A)).await;
    let url = format!("{}/?{}", server.url(), daemon.url());
    (server, url)
}

/// A proxy that puts client D's page beside the daemon's routes.
pub(super) async fn of_d(daemon: &Daemon) -> (Front, String) {
    let server = Front::before(daemon, |_, line| {
        if line.starts_with("GET /d.html ") {
            html(CLIENT_D)
        } else {
            Way::Through
        }
    })
    .await;
    let url = format!("{}/d.html", server.url());
    (server, url)
}

fn html(page: &'static str) -> Way {
    Way::Page("200 OK", "text/html; charset=utf-8", page)
}
