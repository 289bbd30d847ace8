//! What stands behind Pushpin: it answers every poll and stream with the order to hold it (GRIP),
//! every other call at once, and knows nothing else.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::flags::OriginFlags;
use crate::report;

/// Serves until the process ends.
///
/// # Errors
/// The address cannot be listened on.
pub(crate) async fn run(flags: OriginFlags) -> anyhow::Result<()> {
    let listener = TcpListener::bind(flags.address).await?;
    report::write(&json!({ "address": listener.local_addr()?.to_string() }))?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        drop(tokio::spawn(serve(stream)));
    }
}

async fn serve(stream: TcpStream) {
    let service = service_fn(async |request| Ok::<_, Infallible>(order(&request)));
    let serving = hyper::server::conn::http1::Builder::new();
    // A connection that breaks is over, which is all that follows from it.
    drop(
        serving
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

/// The order to hold a call: a poll until one message, a stream for all of them.
fn order(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (kind, hold, body) = match request.uri().path() {
        "/events" => ("text/event-stream", "stream", ": hi\n\n"),
        "/poll" => ("application/json", "response", "{\"status\":\"pending\"}"),
        _ => return Response::default(),
    };
    let query = request.uri().query();
    let channel = query.and_then(|query| query.strip_prefix("id="));
    Response::builder()
        .header("Content-Type", kind)
        .header("Grip-Hold", hold)
        .header("Grip-Timeout", "60")
        .header("Grip-Channel", channel.unwrap_or("none"))
        .body(Full::from(body))
        .unwrap_or_default()
}
