//! How a bucket's server is reached: one connection a request, TLS but on this machine.
//!
//! The library would bring an HTTP client and a second cryptographic library of its own; it takes
//! ours instead. Requests carry megabytes, so a connection for each costs nothing that shows.

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::HOST;
use http::{HeaderValue, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where Debian and others keep the certificates that they trust; `SSL_CERT_FILE` names another.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Longest wait for a connection.
const CONNECT_FOR: Duration = Duration::from_secs(10);
/// Longest wait for the head of an answer, behind an object of some megabytes.
const ANSWER_FOR: Duration = Duration::from_secs(60);

/// Makes [`Line`]s for the library.
#[derive(Debug)]
pub(super) struct Dial {
    roots: Option<PathBuf>,
}

impl Dial {
    pub(super) const fn new(roots: Option<PathBuf>) -> Self {
        Self { roots }
    }

    fn tls(&self) -> Result<ClientConfig, String> {
        let named = || std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let path = self.roots.clone().or_else(named);
        let path = path.unwrap_or_else(|| PathBuf::from(SYSTEM_ROOTS));
        let unread = |why: &dyn std::fmt::Display| format!("`{}`: {why}", path.display());
        let found = CertificateDer::pem_file_iter(&path).map_err(|error| unread(&error))?;
        let mut roots = RootCertStore::empty();
        for certificate in found {
            let certificate = certificate.map_err(|error| unread(&error))?;
            // A bundle may hold what this library does not read: the others count.
            let _unread = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(unread(&"no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl HttpConnector for Dial {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Line { tls: self.tls().map(Arc::new) }))
    }
}

/// Sends requests. What TLS needs is asked for by the first request that needs it.
#[derive(Debug)]
struct Line {
    tls: Result<Arc<ClientConfig>, String>,
}

impl HttpService for Line {
    fn call<'life0, 'async_trait>(
        &'life0 self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.send(request))
    }
}

impl Line {
    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let refused = |why: String| HttpError::new(HttpErrorKind::Unknown, Failed(why));
        let uri = request.uri().clone();
        let secure = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or_else(|| refused("no host".into()))?;
        let host = host.trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let dialled = tokio::time::timeout(CONNECT_FOR, TcpStream::connect((host, port))).await;
        let stream = dialled.map_err(|slow| HttpError::new(HttpErrorKind::Connect, slow))?;
        let stream = stream.map_err(|error| HttpError::new(HttpErrorKind::Connect, error))?;
        let authority = uri.authority().map_or_else(|| host.to_owned(), ToString::to_string);
        let authority = HeaderValue::from_str(&authority).map_err(|e| refused(e.to_string()))?;
        request.headers_mut().insert(HOST, authority);
        let path = uri.path_and_query().map_or_else(|| Uri::from_static("/"), |p| p.clone().into());
        *request.uri_mut() = path;
        if !secure {
            return exchange(TokioIo::new(stream), request).await;
        }
        let config = self.tls.clone().map_err(refused)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|e| refused(e.to_string()))?;
        let shaken = TlsConnector::from(config).connect(name, stream);
        let shaken = tokio::time::timeout(CONNECT_FOR, shaken).await;
        let shaken = shaken.map_err(|slow| HttpError::new(HttpErrorKind::Connect, slow))?;
        // A certificate that is not trusted will not be the next time either.
        let stream = shaken.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        exchange(TokioIo::new(stream), request).await
    }
}

async fn exchange<I>(io: I, request: HttpRequest) -> Result<HttpResponse, HttpError>
where
    I: Read + Write + Unpin + Send + 'static,
{
    let made = http1::handshake::<_, HttpRequestBody>(io).await;
    let (mut sender, connection) = made.map_err(interrupted)?;
    // Ends with the answer's last byte, or when the answer is dropped.
    tokio::spawn(connection);
    let answered = tokio::time::timeout(ANSWER_FOR, sender.send_request(request)).await;
    let answered = answered.map_err(|slow| HttpError::new(HttpErrorKind::Timeout, slow))?;
    let (head, body) = answered.map_err(interrupted)?.into_parts();
    Ok(HttpResponse::from_parts(head, HttpResponseBody::new(Body(body))))
}

fn interrupted(error: hyper::Error) -> HttpError {
    HttpError::new(HttpErrorKind::Interrupted, error)
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failed(String);

/// An answer's body with the library's error.
struct Body(Incoming);

impl hyper::body::Body for Body {
    type Data = bytes::Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, HttpError>>> {
        let polled = Pin::new(&mut self.0).poll_frame(context);
        polled.map(|frame| frame.map(|frame| frame.map_err(interrupted)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.0.size_hint()
    }
}

/// Whether a URL names this machine.
pub(super) fn is_loopback(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
