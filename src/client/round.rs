//! One call, at one daemon after the other until one has answered it.
//!
//! There is no pause within a round: what one daemon cannot do says nothing of the next. What to
//! make of a whole round in vain is the caller's decision.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use reqwest::{Method, Response};
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use super::backoff::roll;
use super::calls::Client;
use super::error::CallError;
use super::failures::Failures;
use super::nodes::Node;
use crate::domain::RequestId;
use crate::limits;
use crate::wire::{header, media};

/// A call, whoever it goes to.
pub(super) struct Call {
    method: Method,
    path: String,
    headers: Vec<(HeaderName, String)>,
    body: Option<Vec<u8>>,
    about: Option<RequestId>,
    wait: Option<Duration>,
    grace: Duration,
    is_once: bool,
}

impl Call {
    /// A call without a body, which does not wait.
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            about: None,
            wait: None,
            grace: limits::CALL_TIME,
            is_once: false,
        }
    }

    /// The same, which may count twice when it is sent twice, and so goes to nobody else once
    /// somebody may have read it.
    pub(super) fn once(self, is_once: bool) -> Self {
        Self { is_once, ..self }
    }

    /// The same about a request, which another daemon may know.
    pub(super) fn about(self, id: RequestId) -> Self {
        let about = Some(id);
        Self { about, ..self }
    }

    /// The same with this body, in JSON.
    pub(super) fn body(self, body: Vec<u8>) -> Self {
        let body = Some(body);
        Self { body, ..self }
    }

    /// The same with another header.
    pub(super) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same as a long poll.
    pub(super) fn wait(self, wait: Option<Duration>) -> Self {
        Self { wait, ..self }
    }

    /// The same, which may be silent for so long beyond its wait.
    pub(super) fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// For how long one daemon may be silent; the last of a round has its full time.
    fn patience(&self, is_last: bool) -> Duration {
        let grace = if is_last {
            self.grace
        } else {
            self.grace.min(limits::TURN_TIME)
        };
        self.wait.unwrap_or_default() + grace
    }
}

impl Client {
    /// Makes a call, at one daemon after the other until one has answered it, be it with a refusal.
    pub(super) async fn exchange<T, F>(
        &self,
        mut call: Call,
        read: impl Fn(Response) -> F,
    ) -> Result<Answer<T>, CallError>
    where
        F: Future<Output = Result<Answer<T>, CallError>>,
    {
        let nodes = self.nodes();
        let mut failures = Failures::default();
        let round = nodes.round();
        for (place, &number) in round.iter().enumerate() {
            if let (1.., Some(wait)) = (place, call.wait) {
                sleep(limits::TURN_SPREAD.min(call.grace).mul_f64(roll())).await;
                // Its end shows soon that this one works.
                call.wait = Some(wait.min(limits::POLL_AFTER_TROUBLE));
            }
            let node = nodes.get(number);
            let attempt = nodes.attempt(number);
            let patience = call.patience(place + 1 == round.len());
            let outcome = timeout(patience, self.send(node, &call, &read)).await;
            match outcome.unwrap_or_else(|_| Err(CallError::silent(patience))) {
                Ok(answer) => {
                    nodes.answered(attempt);
                    if let Some(id) = call.about {
                        nodes.acquaint(id);
                    }
                    return Ok(answer);
                }
                Err(error) if !nodes.are_several() => return Err(error),
                Err(error) if error.is_not_found() && call.about.is_some() => {
                    nodes.knows_nothing(attempt, &error);
                    failures.add(number, &node.url, error);
                }
                Err(error) if error.leads_on() => {
                    nodes.failed(attempt, &error);
                    if call.is_once && error.leaves_a_doubt() {
                        return Err(error);
                    }
                    failures.add(number, &node.url, error);
                }
                Err(error) => {
                    nodes.answered(attempt);
                    return Err(if failures.leave_a_doubt() {
                        error.in_doubt()
                    } else {
                        error
                    });
                }
            }
        }
        let left_alone = nodes.left_out(&mut failures);
        let known = call.about.is_some_and(|id| nodes.are_acquainted(id));
        Err(failures.sum(left_alone, known))
    }

    async fn send<T, F>(
        &self,
        node: &Node,
        call: &Call,
        read: impl Fn(Response) -> F,
    ) -> Result<Answer<T>, CallError>
    where
        F: Future<Output = Result<Answer<T>, CallError>>,
    {
        let url = node.url.join(&call.path);
        let mut request = node.http.request(call.method.clone(), url);
        request = request.header(ACCEPT, media::JSON);
        if let Some(channel) = self.channel() {
            request = request.header(header::CHANNEL, channel.as_str());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if let Some(wait) = call.wait {
            request = request.header(header::PREFER, format!("wait={}", whole_secs(wait)));
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, media::JSON).body(body.clone());
        }
        let response = request.send().await;
        read(response.map_err(|error| node.unreached(&error))?).await
    }
}

/// Seconds, rounded up, so that a wait is never shorter than what was asked for.
fn whole_secs(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests;
