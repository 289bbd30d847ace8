//! A browser's login: a token that it keeps in a cookie no script can read.
//!
//! There is nothing to remember here: the cookie holds the token, so what is revoked is revoked in
//! browsers too, on every node, at once.

use warp::Reply;
use warp::http::{HeaderValue, StatusCode, header};

use super::auth::cookie_name;
use super::operations::me_view;
use super::requests::json;
use super::{Call, Handled, Kind, Problem};
use crate::limits;
use crate::wire::LoginBody;

/// `POST /v1/session`: takes a token and has the browser keep it.
pub(super) async fn log_in(mut call: Box<Call>) -> Handled {
    call.query(&[])?;
    let body: LoginBody = call.json().await?;
    if !call.api.trust.needs_tokens() {
        let detail = "token: this daemon knows no tokens, so nobody logs in";
        return Err(Problem::new(Kind::InvalidMember, detail));
    }
    let grant = call.api.trust.find(&call, body.token.trim())?;
    let access = call.access_by(grant);
    let by = access.caller().principal.as_str();
    tracing::info!(by, address = access.caller().address, "logged in");
    let mut response = json(&me_view(&call, &access));
    set_cookie(
        &call,
        &mut response,
        body.token.trim(),
        limits::LOGIN_LIFE.as_secs(),
    );
    Ok(response)
}

/// `DELETE /v1/session`: has the browser forget it.
pub(super) fn log_out(call: &Call) -> Handled {
    call.query(&[])?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(call, &mut response, "", 0);
    Ok(response)
}

/// `HttpOnly` keeps it from scripts, `SameSite=Strict` from what other sites' pages make a browser
/// send (RFC 6265bis section 5.5).
fn set_cookie(call: &Call, response: &mut super::Response, token: &str, secs: u64) {
    let is_private = call.is_private();
    let name = cookie_name(is_private);
    let secure = if is_private { "; Secure" } else { "" };
    let cookie =
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={secs}{secure}");
    let mut cookie = HeaderValue::try_from(cookie).expect("a token is letters and digits");
    cookie.set_sensitive(true);
    response.headers_mut().insert(header::SET_COOKIE, cookie);
}
