//! The API over a real socket, with a node of a few lines behind it.

use super::*;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A node that answers some calls and notes what it was asked. Its wallet holds so many units.
#[derive(Clone, Default)]
pub(super) struct Small {
    calls: Arc<Mutex<Vec<String>>>,
    pub(super) units: Arc<AtomicU64>,
}

/// Where it listens.
pub(super) const LISTEN: [&str; 3] = [
    "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
    "/ip4/127.0.0.1/tcp/2/ws/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
    "/ip4/10.0.0.5/tcp/2/ws/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
];

impl Small {
    fn note(&self, call: impl Into<String>) {
        self.calls.lock().unwrap().push(call.into());
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn nothing<T>(&self) -> Result<T, ApiError> {
        Err(ApiError::conflict("no wallet: make one with `camelid wallet new`"))
    }
}

impl NodeApi for Small {
    async fn status(&self) -> Result<Status, ApiError> {
        Ok(Status {
            network: "dev".into(),
            agent: "small".into(),
            peer_id: String::new(),
            listen: LISTEN.map(String::from).to_vec(),
            height: 7,
            tip: String::new(),
            synced: true,
            sync: None,
            peers: 0,
            reach: ReachView { reachable: "unknown".into(), addresses: Vec::new(), ports: String::new() },
            mining: true,
            hashes_per_second: 0,
            computes: Vec::new(),
            wallet: true,
            pool: 0,
            live_jobs: 0,
            uptime_seconds: 0,
        })
    }
    async fn chain(&self) -> Result<ChainInfo, ApiError> {
        self.nothing()
    }
    async fn block(&self, id: String) -> Result<BlockView, ApiError> {
        self.note(format!("block {id}"));
        Err(ApiError::not_found("no such block"))
    }
    async fn transaction(&self, _: String) -> Result<TransactionView, ApiError> {
        self.nothing()
    }
    async fn balance(&self) -> Result<WalletBalance, ApiError> {
        self.note("balance");
        Ok(WalletBalance { confirmed_units: self.units.load(Ordering::Relaxed), ..WalletBalance::default() })
    }
    async fn address(&self) -> Result<AddressView, ApiError> {
        self.nothing()
    }
    async fn send(&self, request: SendRequest) -> Result<SendResponse, ApiError> {
        self.note(format!("send {} to {}", request.amount_units, request.address));
        if self.units.load(Ordering::Relaxed) < request.amount_units {
            return Err(ApiError::conflict("too little money"));
        }
        Ok(SendResponse { txid: "ab".into(), fee_units: 3 })
    }
    async fn history(&self) -> Result<Vec<HistoryEntry>, ApiError> {
        Ok(Vec::new())
    }
    async fn submit(&self, _: JobSubmit) -> Result<JobView, ApiError> {
        self.nothing()
    }
    async fn jobs(&self) -> Result<Vec<JobView>, ApiError> {
        Ok(Vec::new())
    }
    async fn job(&self, _: String) -> Result<JobView, ApiError> {
        self.nothing()
    }
    async fn models(&self) -> Result<Vec<ModelView>, ApiError> {
        Ok(Vec::new())
    }
    async fn peers(&self) -> Result<Vec<PeerView>, ApiError> {
        Ok(Vec::new())
    }
    async fn book(&self) -> Result<BookView, ApiError> {
        self.nothing()
    }
    async fn ban(&self, request: BanRequest) -> Result<Done, ApiError> {
        self.note(format!("ban {} for {:?}", request.who, request.seconds));
        Ok(Done { done: true })
    }
    async fn unban(&self, _: UnbanRequest) -> Result<Done, ApiError> {
        self.nothing()
    }
    async fn cheat(&self, request: CheatRequest) -> Result<Done, ApiError> {
        self.note(format!("cheat {:?}", request.how));
        Ok(Done { done: true })
    }
    async fn stop(&self) -> Result<Done, ApiError> {
        self.note("stop");
        Ok(Done { done: true })
    }
}

pub(super) struct Running {
    pub(super) server: ApiServer,
    pub(super) node: Small,
    token: String,
    dir: tempfile::TempDir,
}

async fn running() -> Running {
    start(PageOptions::default()).await
}

pub(super) async fn start(page: PageOptions) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let node = Small::default();
    node.units.store(7, Ordering::Relaxed);
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    let (token, address) = (dir.path().join("api.token"), dir.path().join("api.address"));
    let server = ApiServer::start(free, &token, &address, page, node.clone()).await.unwrap();
    assert_eq!(std::fs::read_to_string(address).unwrap(), server.address().to_string());
    let token = Token::read(&token).unwrap().secret().to_string();
    Running { server, node, token, dir }
}

/// Sends a request as these lines and this body; the status, the headers and the body that come back.
pub(super) async fn exchange(
    to: SocketAddr,
    request: &str,
    headers: &[String],
    body: &str,
) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut socket = tokio::net::TcpStream::connect(to).await.unwrap();
    let (lines, len) = (headers.iter().map(|h| format!("{h}\r\n")).collect::<String>(), body.len());
    let text = format!("{request} HTTP/1.1\r\n{lines}connection: close\r\ncontent-length: {len}\r\n\r\n{body}");
    socket.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_string(), value.to_string()));
    (status, head.lines().skip(1).filter_map(pair).collect(), body)
}

impl Running {
    /// Sends a request as these lines and this body; the status and the body that come back.
    pub(super) async fn raw(&self, request: &str, headers: &[String], body: &str) -> (u16, String) {
        let (status, _, body) = exchange(self.server.address(), request, headers, body).await;
        (status, String::from_utf8(body).unwrap())
    }

    pub(super) fn host(&self) -> String {
        format!("host: {}", self.server.address())
    }

    fn bearer(&self) -> String {
        format!("authorization: Bearer {}", self.token)
    }

    fn asked(&self) -> Vec<String> {
        self.node.asked()
    }
}

#[tokio::test]
async fn only_who_has_the_token_may_call() {
    let api = running().await;
    let (status, body) = api.raw("GET /v1/wallet/balance", &[api.host(), api.bearer()], "").await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<WalletBalance>(&body).unwrap().confirmed_units, 7);

    let wrong = format!("authorization: Bearer {}", "0".repeat(64));
    let basic = api.bearer().replace("Bearer", "Basic");
    for headers in [vec![api.host()], vec![api.host(), wrong], vec![api.host(), basic]] {
        for path in ["GET /v1/wallet/balance", "POST /v1/stop", "GET /v1/nothing", "GET /v1", "GET /v1/"] {
            let (status, body) = api.raw(path, &headers, "").await;
            assert_eq!(status, 401, "{path} {headers:?}");
            assert!(serde_json::from_str::<ErrorBody>(&body).unwrap().error.contains("token"));
        }
    }
    assert_eq!(api.asked(), ["balance"], "nothing reaches the node without the token");
}

#[tokio::test]
async fn no_web_page_may_call_even_with_the_token() {
    let api = running().await;
    let pages = [
        vec![api.host(), api.bearer(), "origin: http://example.com".into()],
        vec![api.host(), api.bearer(), "origin: null".into()],
        vec![api.host(), api.bearer(), format!("origin: http://{}", api.server.address())],
        vec![api.host(), api.bearer(), "sec-fetch-site: cross-site".into()],
        vec!["host: rebound.example.com".into(), api.bearer()],
        vec![api.bearer()],
    ];
    for headers in pages {
        let (status, _) = api.raw("POST /v1/stop", &headers, "").await;
        // Without any Host the server itself refuses.
        assert!(status == 403 || (status == 400 && headers.len() == 1), "{status} {headers:?}");
    }
    // What a browser asks before a page's request with a header of its own.
    let (status, _) = api.raw("OPTIONS /v1/stop", &[api.host(), "origin: http://example.com".into()], "").await;
    assert_eq!(status, 403);
    assert!(api.asked().is_empty());
}

#[tokio::test]
async fn bad_requests_are_one_clear_line() {
    let api = running().await;
    let headers = [api.host(), api.bearer()];
    let good = r#"{"address":"a","amount_units":5}"#;
    assert_eq!(api.raw("POST /v1/wallet/send", &headers, good).await.0, 200);
    let (status, body) = api.raw("GET /v1/chain/block/12", &headers, "").await;
    assert_eq!((status, body.as_str()), (404, r#"{"error":"no such block"}"#));
    assert_eq!(api.asked(), ["send 5 to a", "block 12"]);
    let bad = [
        ("POST /v1/wallet/send", r#"{"address":"a","amount_units":-5}"#, 400, "expected u64"),
        ("POST /v1/wallet/send", r#"{"address":"a","amount_units":5,"amuont":5}"#, 400, "unknown field `amuont`"),
        ("POST /v1/wallet/send", "", 400, "JSON"),
        ("GET /v1/wallet/send", "", 400, "method"),
        ("GET /v1/nothing", "", 404, "no such path"),
        ("GET /v1/wallet/address", "", 409, "camelid wallet new"),
    ];
    for (request, body, expected, part) in bad {
        let (status, body) = api.raw(request, &headers, body).await;
        let error = serde_json::from_str::<ErrorBody>(&body).unwrap().error;
        assert!(status == expected && error.contains(part) && !error.contains('\n'), "{request}: {status} {error}");
    }
    let long = format!(r#"{{"address":"{}","amount_units":5}}"#, "a".repeat(3 * 1024 * 1024));
    // The server may answer before it has read everything, and close.
    let mut socket = tokio::net::TcpStream::connect(api.server.address()).await.unwrap();
    let head = format!("POST /v1/wallet/send HTTP/1.1\r\n{}\r\n{}\r\n", api.host(), api.bearer());
    let _ = socket.write_all(format!("{head}content-length: {}\r\n\r\n", long.len()).as_bytes()).await;
    let _ = socket.write_all(long.as_bytes()).await;
    let mut start = [0; 12];
    let read = socket.read_exact(&mut start).await;
    assert!(read.is_err() || &start == b"HTTP/1.1 413", "{}", String::from_utf8_lossy(&start));
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test]
async fn the_api_is_for_this_machine_and_says_when_its_port_is_taken() {
    let api = running().await;
    let files = (api.dir.path().join("other.token"), api.dir.path().join("other.address"));
    let everybody = SocketAddr::from(([0, 0, 0, 0], 0));
    let error =
        ApiServer::start(everybody, &files.0, &files.1, PageOptions::default(), Small::default()).await.unwrap_err();
    assert!(matches!(error, ApiStartError::NotLoopback { .. }), "{error}");
    let error = ApiServer::start(api.server.address(), &files.0, &files.1, PageOptions::default(), Small::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("--api") && matches!(error, ApiStartError::PortInUse { .. }), "{error}");
    assert!(!files.0.exists(), "a server that does not start leaves no token");

    let (address, token) = (api.server.address(), api.dir.path().join("api.token"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
    }
    api.server.stop().await;
    assert!(!token.exists());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is closed");
}
