//! Who calls: somebody with a token, a user of this machine, or, where nobody is known, anybody.

use std::sync::Arc;

use headers::{Cookie, HeaderMapExt};
use warp::http::{HeaderMap, header};

use super::origin::is_own_page;
use super::{Call, Kind, Peer, Problem, UnixUser};
use crate::approvals::Access;
use crate::domain::{Caller, Channel, Principal, Rights};
use crate::principals::{Grant, Registry, Token};
use crate::wire;

/// Whom the daemon believes.
#[derive(Clone, Debug)]
pub struct Trust {
    tokens: Option<Arc<Registry>>,
    everybody: Grant,
}

impl Trust {
    /// Everybody who reaches the daemon may do everything.
    pub fn in_everybody() -> Self {
        Self {
            tokens: None,
            everybody: Grant::lasting(Arc::new(Rights::local())),
        }
    }

    /// Only whoever has a token, over the network.
    pub fn in_tokens(tokens: Arc<Registry>) -> Self {
        Self {
            tokens: Some(tokens),
            ..Self::in_everybody()
        }
    }

    /// Whether tokens are asked for.
    pub const fn needs_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Who stands behind a token.
    ///
    /// # Errors
    /// [`Kind::InvalidToken`], which does not repeat it.
    pub(super) fn find(&self, call: &Call, token: &str) -> Result<Grant, Problem> {
        let invalid = |why: String| Problem::new(Kind::InvalidToken, why);
        let Some(tokens) = &self.tokens else {
            return self.everybody(call);
        };
        let token: Token = token.parse().map_err(|error| invalid(format!("{error}")))?;
        let found = tokens.find(&token, call.api.approvals.now());
        found.map_err(|error| invalid(error.to_string()))
    }

    /// What everybody may do who reaches this daemon. Whoever has reached a relay that listens wider
    /// than that has not.
    fn everybody(&self, call: &Call) -> Result<Grant, Problem> {
        if call.is_relayed() {
            let detail = "this daemon trusts everybody who reaches it, and this call has come by a \
                          relay that others reach; start the daemon with --tokens FILE, or the \
                          relay with --trust-everybody-on-the-network if that is what you want";
            return Err(Problem::new(Kind::Unauthenticated, detail));
        }
        Ok(self.everybody.clone())
    }

    fn grant(&self, call: &Call) -> Result<Grant, Problem> {
        let bearer = bearer(&call.headers)?;
        if self.tokens.is_some() {
            if let Some(token) = bearer {
                return self.find(call, token);
            }
            let cookie: Option<Cookie> = call.headers.typed_get();
            let name = cookie_name(call.is_private());
            if let Some(token) = cookie.as_ref().and_then(|cookie| cookie.get(name)) {
                // What a page of another site makes the browser send is not its owner's will.
                if is_own_page(&call.headers, &call.peer) {
                    return self.find(call, token);
                }
            }
        }
        match call.user() {
            Some(user) => Ok(Grant::lasting(Arc::new(user.rights()))),
            None if self.tokens.is_none() => self.everybody(call),
            None => Err(Problem::new(
                Kind::Unauthenticated,
                "this daemon wants to know who calls; send a token (Authorization: Bearer TOKEN), \
                 which `pushd token create` makes; the programs take it from --token-file or \
                 PUSHD_TOKEN, and a browser at /login",
            )),
        }
    }
}

/// The cookie that a browser keeps its token in. The prefix has browsers refuse one that does not
/// come by TLS from this very host (RFC 6265bis section 4.1.3.2).
pub(super) const fn cookie_name(is_private: bool) -> &'static str {
    if is_private { "__Host-pushd" } else { "pushd" }
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1). Other schemes are for proxies.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let bytes = value.as_bytes();
        let is_bearer = bytes
            .get(..6)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"))
            && bytes.get(6).is_none_or(u8::is_ascii_whitespace);
        if !is_bearer {
            continue;
        }
        // What is no token is found to be none.
        let token = value.to_str().ok().and_then(|text| text.get(6..));
        if found.replace(token.unwrap_or_default().trim()).is_some() {
            let detail = "Authorization: there is more than one token; send one";
            return Err(Problem::new(Kind::InvalidHeader, detail));
        }
    }
    Ok(found)
}

impl Call {
    /// The use cases, as whoever calls has them.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], [`Kind::InvalidToken`].
    pub(super) fn access(&self) -> Result<Access, Problem> {
        let grant = self.api.trust.grant(self)?;
        Ok(self.access_by(grant))
    }

    /// The use cases with these rights.
    pub(super) fn access_by(&self, grant: Grant) -> Access {
        let caller = self.caller(grant.rights.principal.clone());
        Access::new(Arc::clone(&self.api.approvals), caller, grant)
    }

    /// Whether a relay says that the connection is its own, so that nothing follows from it. Whoever
    /// says so without being one has less for it.
    fn is_relayed(&self) -> bool {
        self.headers.contains_key(wire::header::RELAYED)
    }

    /// The user of this machine whose call it is.
    fn user(&self) -> Option<&UnixUser> {
        self.peer.remote.user().filter(|_| !self.is_relayed())
    }

    /// Who calls the classic routes, which know nobody: anybody under the name of the routes, or
    /// of everybody where nobody is known at all.
    pub(super) fn anybody(&self) -> Caller {
        let name = match self.user() {
            Some(user) => user.name.as_str(),
            None if self.api.trust.needs_tokens() => Principal::CLASSIC,
            None => Principal::LOCAL,
        };
        Caller {
            channel: Some(Channel::Classic),
            ..self.caller(Principal::new(name))
        }
    }

    fn caller(&self, principal: Principal) -> Caller {
        Caller {
            principal,
            address: self.peer.remote.ip().map(|ip| ip.to_string()),
            channel: Some(self.channel()),
        }
    }

    /// Whether nobody between browser and daemon reads along, by TLS of our own or of the proxy at
    /// the public URL.
    pub(super) fn is_private(&self) -> bool {
        let Peer { secure, host, .. } = &self.peer;
        let by_proxy = || {
            let url = self.api.public_url.as_deref()?.strip_prefix("https://")?;
            let authority = url.split('/').next()?;
            Some(authority.eq_ignore_ascii_case(host.as_deref()?))
        };
        *secure || by_proxy().unwrap_or(false)
    }
}
