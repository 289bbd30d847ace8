//! What one path takes: its methods, the checks before them, and what all answers have in common.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::BoxFuture;
use warp::http::{HeaderName, HeaderValue, Method, header};

use super::{Call, Handled, Kind, Problem, Response, origin};

/// Carries out one method of one path; the text is the id in the path, if it has one.
pub(super) type Handler = fn(Box<Call>, String) -> BoxFuture<'static, Handled>;

/// One path.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    methods: Vec<(Method, Handler)>,
    any_host: bool,
    any_page: bool,
    exists: bool,
}

impl Resource {
    /// A path without methods yet.
    pub(super) fn new() -> Self {
        Self {
            methods: Vec::new(),
            any_host: false,
            any_page: false,
            exists: true,
        }
    }

    /// The path that is not there.
    pub(super) fn nothing() -> Self {
        Self {
            exists: false,
            ..Self::new()
        }
    }

    /// Takes GET, and with it HEAD (RFC 9110 section 9.3.2).
    pub(super) fn get(self, handler: Handler) -> Self {
        self.on(Method::GET, handler).on(Method::HEAD, handler)
    }

    /// Takes GET but not HEAD, because a call does something.
    pub(super) fn get_alone(self, handler: Handler) -> Self {
        self.on(Method::GET, handler)
    }

    /// Takes POST.
    pub(super) fn post(self, handler: Handler) -> Self {
        self.on(Method::POST, handler)
    }

    /// Takes DELETE.
    pub(super) fn delete(self, handler: Handler) -> Self {
        self.on(Method::DELETE, handler)
    }

    /// Answers under any host name: probes come with whatever name their prober has.
    pub(super) fn of_any_host(self) -> Self {
        Self {
            any_host: true,
            ..self
        }
    }

    /// Lets pages of any origin read its answers (Fetch Standard, section 3.3.3).
    pub(super) fn for_any_page(self) -> Self {
        Self {
            any_page: true,
            ..self
        }
    }

    /// Whether there is anything at its path.
    #[cfg(test)]
    pub(super) const fn exists(&self) -> bool {
        self.exists
    }

    fn on(mut self, method: Method, handler: Handler) -> Self {
        self.methods.push((method, handler));
        self
    }

    /// Answers a call.
    pub(super) fn serve(
        &self,
        call: Box<Call>,
        id: String,
    ) -> impl Future<Output = Response> + Send + use<> {
        let (api, unread, any_page) = (Arc::clone(&call.api), call.unread(), self.any_page);
        let handled = self.admit(&call).map(|handler| handler(call, id));
        async move {
            let handled = match handled {
                Ok(running) => running.await,
                Err(problem) => Err(problem),
            };
            let mut response = handled.unwrap_or_else(|problem| {
                api.metrics.problem(problem.kind.row().1);
                problem.into_response()
            });
            if unread.load(Ordering::Relaxed) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            if any_page {
                let anybody = HeaderValue::from_static("*");
                let headers = response.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
            }
            finish(response)
        }
    }

    /// The handler for this call, if it may have one.
    fn admit(&self, call: &Call) -> Result<Handler, Problem> {
        if !self.any_host {
            call.api.hosts.check(&call.peer)?;
        }
        if !self.exists {
            let detail = "there is nothing at this path; /openapi.json lists what there is";
            return Err(Problem::new(Kind::NoSuchPath, detail));
        }
        let found = self
            .methods
            .iter()
            .find(|(method, _)| *method == call.method);
        let Some((_, handler)) = found else {
            let allow: Vec<_> = self
                .methods
                .iter()
                .map(|(method, _)| method.as_str())
                .collect();
            return Err(Problem::method_not_allowed(&call.method, &allow.join(", ")));
        };
        origin::check_origin(&call.method, &call.headers, &call.peer)?;
        if self.any_page {
            origin::check_named(&call.headers)?;
        }
        Ok(*handler)
    }
}

/// What all answers have in common: they are kept by nobody unless they say else, and are for
/// this origin's pages alone (Fetch Standard, section 3.7).
fn finish(mut response: Response) -> Response {
    static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(
        RESOURCE_POLICY.clone(),
        HeaderValue::from_static("same-origin"),
    );
    headers
        .entry(header::X_FRAME_OPTIONS)
        .or_insert(HeaderValue::from_static("DENY"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("frame-ancestors 'none'"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
