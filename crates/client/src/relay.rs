//! Passing a request of somebody else on as it is: signed by its sender for the address it was
//! sent to, and answered with a signature that its sender checks.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;

use crate::answer::Outcome;
use crate::outgoing::{Client, Peer, late};

impl Client {
    /// Sends a complete request to the first place of `peer`, head and body as they came; only the
    /// connection goes elsewhere. Whatever answers is handed back as it is.
    ///
    /// # Errors
    /// [`Outcome::NotDone`] or [`Outcome::Unknown`]: there is no whole answer.
    pub async fn relay(
        &self,
        peer: &Peer,
        head: &http::request::Parts,
        body: Bytes,
    ) -> Result<Response<Bytes>, Outcome> {
        let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let unsendable = |reason: String| {
            Outcome::NotDone(crate::NotDone::Unsendable {
                reason: reason.chars().take(200).collect(),
            })
        };
        let uri: Uri = format!("http://{}{target}", peer.authority())
            .parse()
            .map_err(|error: http::uri::InvalidUri| unsendable(error.to_string()))?;
        let mut message = Request::new(Full::new(body));
        *message.method_mut() = head.method.clone();
        *message.uri_mut() = uri;
        for (name, value) in &head.headers {
            if !OF_ONE_CONNECTION.contains(&name.as_str()) {
                message.headers_mut().append(name.clone(), value.clone());
            }
        }
        let deadline = self.limits().deadline;
        let exchanged = tokio::time::timeout(deadline, self.exchange(peer, message)).await;
        let (answer, body) = exchanged.map_err(|_| late(peer, deadline))??;
        let (mut parts, ()) = answer.into_parts();
        for name in OF_ONE_CONNECTION {
            parts.headers.remove(*name);
        }
        Ok(Response::from_parts(parts, body))
    }
}

/// Headers that speak of one connection only (RFC 9110, section 7.6.1); the length is written anew.
const OF_ONE_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];
