//! A stand-in for the daemon: it sends on the stream what the test says, and keeps the decisions.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pushd::domain::{EventId, RequestId, Timestamp, Verdict};
use pushd::wire::{DecisionView, Party, ProblemView, RequestView, Status, media};

#[derive(Default)]
struct State {
    /// What the stream has said so far; a listener gets it from the beginning.
    stream: Vec<u8>,
    listeners: Vec<TcpStream>,
    /// What those who want the stream get instead, which ends their connection.
    refusal: Option<String>,
    /// How often the stream was wanted, and after which id the last time.
    listens: usize,
    last_event_id: Option<String>,
    /// Whether decisions get no answer, and the calls that wait for theirs.
    holds: bool,
    courtesy: Courtesy,
    courtesies: usize,
    held: Vec<TcpStream>,
    decisions: Vec<String>,
    /// Status and body of the next answers to decisions; after them, and before, 200.
    answers: VecDeque<(&'static str, String)>,
}

/// What becomes of the calls that an approver can do without.
#[derive(Clone, Copy, Default)]
pub(super) enum Courtesy {
    #[default]
    Succeeds,
    Fails,
    Hangs,
}

#[derive(Clone)]
pub(super) struct StandIn {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let server = this.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(socket.unwrap()));
            }
        });
        this
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn send(&self, name: &str, view: &RequestView) {
        let data = serde_json::to_string(view).unwrap();
        self.send_raw(&format!("event: {name}\ndata: {data}\n\n"));
    }

    pub(super) fn send_raw(&self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub(super) fn send_bytes(&self, bytes: &[u8]) {
        self.state.0.lock().unwrap().stream.extend_from_slice(bytes);
        self.send_once(bytes);
    }

    /// Sends to those who listen now; who comes later does not get it.
    pub(super) fn send_once(&self, bytes: &[u8]) {
        for listener in &mut self.state.0.lock().unwrap().listeners {
            listener.write_all(bytes).unwrap();
        }
    }

    /// Answers a coming decision with an error that may carry the request.
    pub(super) fn refuse(&self, status: &'static str, why: &str, request: Option<RequestView>) {
        self.refuse_as(status, "refused", why, request);
    }

    /// The same with this code.
    pub(super) fn refuse_as(
        &self,
        status: &'static str,
        code: &str,
        why: &str,
        request: Option<RequestView>,
    ) {
        let problem = ProblemView {
            detail: why.to_owned(),
            code: code.to_owned(),
            request: request.map(Box::new),
            ..ProblemView::default()
        };
        let body = serde_json::to_string(&problem).unwrap();
        let mut state = self.state.0.lock().unwrap();
        state.answers.push_back((status, body));
    }

    /// Ends every stream; who listens comes back and hears all of it again.
    pub(super) fn cut(&self) {
        let mut state = self.state.0.lock().unwrap();
        for listener in state.listeners.drain(..) {
            // It may have gone already.
            drop(listener.shutdown(std::net::Shutdown::Both));
        }
    }

    /// Answers whoever wants the stream with an error.
    pub(super) fn refuse_listeners(&self, status: &'static str, why: &str) {
        let problem = ProblemView {
            detail: why.to_owned(),
            code: "refused".to_owned(),
            ..ProblemView::default()
        };
        let body = serde_json::to_string(&problem).unwrap();
        self.answer_listeners(&json(status, &body));
    }

    /// Answers whoever wants the stream with these bytes, and closes.
    pub(super) fn answer_listeners(&self, bytes: &str) {
        self.state.0.lock().unwrap().refusal = Some(bytes.to_owned());
    }

    /// How often the stream was wanted.
    pub(super) fn listens(&self) -> usize {
        self.state.0.lock().unwrap().listens
    }

    /// After which id the stream was wanted the last time.
    pub(super) fn last_event_id(&self) -> Option<String> {
        self.state.0.lock().unwrap().last_event_id.clone()
    }

    /// Waits until the stream was wanted so often.
    pub(super) fn wait_for_listens(&self, count: usize) {
        self.wait(|state| state.listens >= count);
    }

    /// Treats `/v1/me` and `seen` so from now on.
    pub(super) fn treat_courtesies(&self, courtesy: Courtesy) {
        self.state.0.lock().unwrap().courtesy = courtesy;
    }

    /// Answers all calls that hang: the daemon knows the caller by this name.
    pub(super) fn introduce(&self, name: &str) {
        let me = json(
            "200 OK",
            &format!(r#"{{"principal":"{name}","known":true}}"#),
        );
        for mut socket in self.state.0.lock().unwrap().held.drain(..) {
            socket.write_all(me.as_bytes()).unwrap();
        }
    }

    pub(super) fn wait_for_courtesies(&self, count: usize) {
        self.wait(|state| state.courtesies >= count);
    }

    /// Takes decisions from now on, and answers none.
    pub(super) fn hold_decisions(&self) {
        self.state.0.lock().unwrap().holds = true;
    }

    pub(super) fn decisions(&self) -> Vec<String> {
        self.state.0.lock().unwrap().decisions.clone()
    }

    pub(super) fn wait_for_decisions(&self, count: usize) {
        self.wait(|state| state.decisions.len() >= count);
    }

    pub(super) fn wait_for_listener(&self) {
        self.wait(|state| !state.listeners.is_empty());
    }

    fn wait(&self, condition: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.state;
        let patience = Duration::from_secs(20);
        let guard = state.lock().unwrap();
        let (_state, result) = changed
            .wait_timeout_while(guard, patience, |state| !condition(state))
            .unwrap();
        assert!(!result.timed_out(), "it did not happen");
    }

    /// Serves one call and closes, but for the stream.
    fn serve(&self, socket: TcpStream) {
        // A program that hangs is a failure of the test, and not its last word.
        let patience = Some(Duration::from_secs(20));
        socket.set_write_timeout(patience).unwrap();
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        // A connection without a call is closed.
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.to_lowercase();
        let length = length
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let mut socket = reader.into_inner();
        let is_stream = head.starts_with("GET /v1/events");
        let mut state = self.state.0.lock().unwrap();
        if is_stream {
            state.listens += 1;
            state.last_event_id = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let is_it = name.eq_ignore_ascii_case("last-event-id");
                is_it.then(|| value.to_owned())
            });
        }
        if let Some(bytes) = state.refusal.as_ref().filter(|_| is_stream) {
            socket.write_all(bytes.as_bytes()).unwrap();
        } else if is_stream {
            socket.write_all(STREAM.as_bytes()).unwrap();
            socket.write_all(&state.stream).unwrap();
            state.listeners.push(socket);
        } else if head.contains("/decision ") {
            state.decisions.push(String::from_utf8(body).unwrap());
            if state.holds {
                state.held.push(socket);
                self.state.1.notify_all();
                return;
            }
            let (status, answer) = state.answers.pop_front().unwrap_or_else(|| {
                let view = decided(1, 9, Status::Approved, "");
                ("200 OK", serde_json::to_string(&view).unwrap())
            });
            socket.write_all(json(status, &answer).as_bytes()).unwrap();
        } else {
            state.courtesies += 1;
            let answer = match state.courtesy {
                Courtesy::Succeeds if head.starts_with("GET /v1/me") => {
                    json("200 OK", r#"{"principal":"local"}"#)
                }
                Courtesy::Succeeds => {
                    "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned()
                }
                Courtesy::Fails => json("500 Internal Server Error", "{}"),
                Courtesy::Hangs => {
                    state.held.push(socket);
                    self.state.1.notify_all();
                    return;
                }
            };
            // Who asked may have left already.
            drop(socket.write_all(answer.as_bytes()));
        }
        self.state.1.notify_all();
    }
}

fn json(status: &str, body: &str) -> String {
    let media = match status.as_bytes() {
        [b'2', ..] => media::JSON,
        _ => media::PROBLEM,
    };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A pending request under the event of that number.
pub(super) fn request(n: u8) -> RequestView {
    let mut bytes = [0; 16];
    bytes[0] = n;
    let asked = 1_700_000_000_000 + i64::from(n);
    RequestView {
        id: RequestId::from_bytes(bytes),
        topic: "default".to_owned(),
        title: format!("Deploy {n}?"),
        details: String::new(),
        fields: Vec::new(),
        status: Status::Pending,
        version: EventId(n.into()),
        event_id: EventId(n.into()),
        requester: Party {
            principal: "local".to_owned(),
            address: Some("127.0.0.1".to_owned()),
            channel: None,
        },
        created_at: Timestamp::from_millis(asked),
        expires_at: Timestamp::from_millis(4_000_000_000_000),
        approvals_needed: 1,
        denials_needed: 1,
        approvers: None,
        panels: Vec::new(),
        rules: Vec::new(),
        reason_required: false,
        self_approval: false,
        freezes: Vec::new(),
        command: None,
        lease_secs: None,
        lease_ended: false,
        use_within_secs: 3600,
        approvers_connected: None,
        consumed_at: None,
        match_code_required: false,
        decisions: Vec::new(),
        decided_at: None,
        seen_by: Vec::new(),
        history: None,
    }
}

/// The same, decided by bob.
pub(super) fn decided(n: u8, event: u64, status: Status, reason: &str) -> RequestView {
    let mut view = request(n);
    (view.status, view.version, view.event_id) = (status, EventId(event), EventId(event));
    view.decisions.push(DecisionView {
        verdict: if status == Status::Approved {
            Verdict::Approve
        } else {
            Verdict::Deny
        },
        approver: Party {
            principal: "bob".to_owned(),
            address: None,
            channel: None,
        },
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        at: view.created_at,
    });
    view
}
